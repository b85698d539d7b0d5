"""Real NATS servers for tests: `nats-server` from PyPI, each on a port of its own, with its data in a folder of the test's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.ports import free_port


class NatsServer:
    """One server, which can be killed, frozen and started again on its data. `more`: further lines of its configuration."""

    def __init__(
        self, folder: Path, *, name: str = "n1", more: str = "", peers: Sequence[int] = (), cluster_port: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"nats://127.0.0.1:{self.port}"
        cluster = ""
        if peers:
            routes = ", ".join(f"nats://127.0.0.1:{port}" for port in peers)
            cluster = f"cluster {{ name: tests, listen: 127.0.0.1:{cluster_port}, routes: [{routes}] }}"
        self.configuration = folder / "nats.conf"
        self.configuration.write_text(
            f"server_name: {name}\nlisten: 127.0.0.1:{self.port}\njetstream {{ store_dir: {json.dumps(str(folder))}, sync_interval: always }}\n"
            f"{'' if 'max_payload' in more else 'max_payload: 8MB'}\n{cluster}\n{more}\n"
        )

    @property
    def url(self) -> SecretStr:
        """As `inbox` in the config."""
        return SecretStr(self.address)

    def start(self, *, wait: bool = True) -> None:
        """Return when it answers."""
        program = shutil.which("nats-server") or str(Path(sys.executable).parent / "nats-server")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(self.configuration)], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while wait and not self.answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """As a crash does it."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """It is there, and does nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """And goes on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """If it runs."""
        if self._process is not None:
            self.thaw()
            self.kill()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def answers(self) -> bool:
        """Whether a client may come."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                return b"INFO" in sock.recv(4096)
        except OSError:
            return False


@contextmanager
def nats_server(folder: Path, **settings: Any) -> Iterator[NatsServer]:
    """One that runs."""
    server = NatsServer(folder, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def nats_cluster(folder: Path, size: int = 3) -> Iterator[list[NatsServer]]:
    """Several that keep the same streams."""
    ports = [free_port() for _ in range(size)]
    servers = [
        NatsServer(folder / f"n{n}", name=f"n{n}", peers=[port for port in ports if port != own], cluster_port=own)
        for n, own in enumerate(ports)
    ]
    try:
        for server in servers:
            server.start(wait=False)
        for server in servers:
            while not server.answers():
                time.sleep(0.02)
        yield servers
    finally:
        for server in servers:
            server.stop()
