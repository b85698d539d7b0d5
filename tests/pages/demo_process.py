"""The demo as a process of its own, which can be killed and started again on the same data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.ports import free_port

_START_SECONDS = 30.0


class Demo:
    """`byoc demo` on a port and folder of its own, with these further options."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port, self.folder, self._options = free_port(), folder, options
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it says that it is ready. Raises AssertionError with its log."""
        log = (self.folder / "demo.log").open("ab")
        command = [sys.executable, "-m", "gateway.cli", "demo", "--port", str(self.port), "--data", str(self.folder / "data")]
        command += self._options
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[2])
        log.close()
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError("the demo did not start:\n" + (self.folder / "demo.log").read_text()[-4000:])

    def kill(self) -> None:
        """As a power cut: no farewell."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def freeze(self) -> None:
        """It says nothing more, and its connections stay open: as a network that died without a word."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """In peace."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """A call to it. Raises urllib.error.HTTPError."""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def says(self, channel: str, customer: str, text: str) -> None:
        """A customer writes."""
        self.call("POST", f"/phones/{channel}/messages", {"customer": customer, "text": text})

    def shown(self, channel: str, customer: str) -> list[dict[str, Any]]:
        """What a customer's handset shows."""
        items: list[dict[str, Any]] = self.call("GET", f"/phones/{channel}/messages?customer={customer}")["items"]
        return items

    def _answers(self) -> bool:
        try:
            self.call("GET", "/readyz")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True
