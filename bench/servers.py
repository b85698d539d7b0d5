"""Servers in processes of their own, on the server's core, each with a new folder; and what they have taken in, read from their files."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapters import registry
from bench import machine
from bench.profiling import sampling
from bench.subject import Bench
from bench.traffic import NUMBER_ID, PREFIX, SECRET
from gateway import operators

ROOT: Final = Path(__file__).resolve().parent.parent
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 60.0
_REST_SECONDS: Final = 300
_NO_LIMIT: Final = 100_000_000
_MESSAGES: Final = "SELECT count(*) FROM entries WHERE kind = 'message'"
_OF_PREFIX: Final = "FROM message_ids WHERE channel_id = 'whatsapp' AND message_id > ? AND message_id < ?"


def token_of(login: str) -> str:
    """A rep's API token."""
    return f"token-of-the-rep-{login}"


@dataclass(slots=True)
class Server:
    """One that answers `/readyz`. `started_in`: seconds from its start until it did."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    started_in: float = 0.0

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self.process.pid

    @property
    def data(self) -> Path:
        """Its data_dir."""
        return self.folder / "data"

    def processor_seconds(self) -> float:
        """All that it used so far, its children included."""
        return machine.processor_seconds(self.pid)

    def applied(self, prefix: str = PREFIX) -> int:
        """How many messages are in transcripts, of those whose ids begin so. Reads the file beside the server, and holds up nobody."""
        return int(next(self._read(f"SELECT count(*) {_OF_PREFIX}", prefix, f"{prefix}~"))[0])

    def applied_numbers(self, prefix: str = PREFIX) -> Iterator[int]:
        """The numbers of all messages in transcripts, as `Traffic` counts them."""
        return (int(row[0][len(prefix) :]) for row in self._read(f"SELECT message_id {_OF_PREFIX}", prefix, f"{prefix}~"))

    def _read(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.data / 'sessions.db'}?mode=ro", uri=True, timeout=10)) as connection:
            yield from connection.execute(query, values)

    def messages(self) -> int:
        """How many messages are in transcripts, from whomever."""
        return int(next(self._read(_MESSAGES))[0])

    def waiting(self) -> int:
        """How many webhooks are stored and not applied. Takes the inbox's lock for a moment: not for asking often."""
        return operators.webhook_counts(self.data).waiting

    def drained(self, count: int, *, prefix: str = PREFIX, patience: float = 600.0) -> float:
        """Wait until so many messages are in transcripts and no webhook waits; the moment (`perf_counter`). Raises TimeoutError when nothing has
        moved for so long."""
        before, moved = -1, time.perf_counter()
        while True:
            begun = time.perf_counter()
            if (now := self.applied(prefix)) >= count:
                break
            if now != before:
                before, moved = now, begun
            elif begun - moved > patience:
                raise TimeoutError(f"{now} of {count} messages applied, and no more")
            # Counting takes the longer the more there is: never more than a tenth of a core.
            time.sleep(max(0.05, 10 * (time.perf_counter() - begun)))
        if (there := self.messages()) < count:
            raise RuntimeError(f"{count} messages are known, and transcripts have {there}")
        for _ in range(1_000):
            if not self.waiting():
                return begun
            time.sleep(0.05)
        raise TimeoutError("all messages are applied, and webhooks still wait")

    def come_to_rest(self) -> float:
        """Wait until it does next to nothing any more, at most a few minutes; its processor time so far."""
        used, before = self.processor_seconds(), -1.0
        for _ in range(_REST_SECONDS):
            if used - before < 0.05:
                break
            before = used
            time.sleep(1.0)
            used = self.processor_seconds()
        return used

    def call(self, path: str, timeout: float = 1.0) -> int:
        """GET; the status, 0 without an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def stop(self) -> None:
        """By SIGTERM, and for good if that takes too long."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """It and its children."""
        for pid in reversed(machine.family(self.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


# -------------------------------------------------------------------------------------------------- starting


@contextmanager
def bare(bench: Bench) -> Iterator[Server]:
    """See `bench.bare`."""
    with fresh_folder(bench) as folder, running(folder, port := free_port(), python("bench.bare", "--port", str(port))) as server:
        yield server


@contextmanager
def gateway(
    bench: Bench,
    *,
    without: Sequence[str] = (),
    keep_seconds: float | None = None,
    options: Sequence[str] = (),
    cores: set[int] | None = None,
    **settings: Any,
) -> Iterator[Server]:
    """`byoc serve` with `config_of(port, …)`; by `bench.serving` if it is to lack workers or to forget soon."""
    with prepared(bench, **settings) as (folder, port):
        started = running(folder, port, command(folder / "gateway.yaml", without, keep_seconds, options), cores=cores)
        with started as server, _sampled(bench, server):
            yield server


@contextmanager
def prepared(bench: Bench, **settings: Any) -> Iterator[tuple[Path, int]]:
    """A folder with a gateway's config, `gateway.yaml`, and the port in it. The data will be in `data`."""
    with fresh_folder(bench) as folder:
        port = free_port()
        (folder / "gateway.yaml").write_text(json.dumps(config_of(port, folder / "data", **settings)))  # YAML has JSON in it
        yield folder, port


def command(
    config: Path, without: Sequence[str] = (), keep_seconds: float | None = None, options: Sequence[str] = ()
) -> tuple[str, ...]:
    """What starts a gateway."""
    if not without and keep_seconds is None:
        return python("gateway.cli", "serve", "--config", str(config), *options)
    given = [word for worker in without for word in ("--without", worker)]
    given += ["--keep-seconds", str(keep_seconds)] if keep_seconds is not None else []
    return python("bench.serving", "--config", str(config), *given)


def config_of(
    port: int,
    data_dir: Path,
    *,
    provider: int = 9,
    reps: Mapping[str, Mapping[str, Any]] | None = None,
    aside: Sequence[str] = (),
    webhooks_port: int | None = None,
    link: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One WhatsApp number, whose provider is on this port; reps of its queue, by login with what differs from the default. Those `aside` and
    supervisors are in no queue. `webhooks_port`: for `--processes`, which takes webhooks on a port of their own. `link`: the channel's Salesforce
    settings; `more`: other parts of the config."""
    origin = f"http://127.0.0.1:{port}"
    account = registry.load()["whatsapp"].demo("whatsapp", f"http://127.0.0.1:{provider}", f"{origin}/webhooks/whatsapp")
    people = {
        login: {"name": login.capitalize(), "tokens": [token_of(login)], **rep} for login, rep in (reps or {"ana": {}}).items()
    }
    queue = {"name": "All", "reps": [login for login, rep in people.items() if login not in aside and not rep.get("supervisor")]}
    channel: dict[str, Any] = {"kind": "whatsapp", "org": "bench", "queue": "all", "messages_per_second": 100_000}
    if link is not None:
        channel["salesforce"] = dict(link)
    return {
        **(more or {}),
        "public_url": origin,
        "listen": {"port": port, **({"webhooks_port": webhooks_port} if webhooks_port else {})},
        "data_dir": str(data_dir),
        "log_level": "error",
        "limits": {"api_requests_per_minute": _NO_LIMIT},
        "orgs": {"bench": {"reps": people, "queues": {"all": queue}}},
        "channels": {"whatsapp": {**channel, "account": {**account, "app_secrets": [SECRET], "phone_number_id": NUMBER_ID}}},
    }


@contextmanager
def running(
    folder: Path, port: int, command: Sequence[str], *, cores: set[int] | None = None, stop: bool = False
) -> Iterator[Server]:
    """A server until the end of the block, ready at its start. It is killed then: what it does on its way out is no part of a measurement."""
    server = start(folder, port, command, cores=cores)
    try:
        yield server
    finally:
        if stop:
            server.stop()
        server.kill()


def start(folder: Path, port: int, command: Sequence[str], *, cores: set[int] | None = None) -> Server:
    """Raises RuntimeError with the end of its log if it isn't ready within a minute."""
    with (folder / "log").open("ab") as log, _on(cores or machine.cores()[0]):
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=_environment())
    server = Server(process, port, folder)
    while process.poll() is None and time.perf_counter() - begun < _START_SECONDS:
        if server.call("/readyz") == 200:
            server.started_in = time.perf_counter() - begun
            return server
        time.sleep(0.005)
    server.kill()
    raise RuntimeError(f"{' '.join(command)} did not start: {(folder / 'log').read_text()[-2_000:]}")


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """What this thread starts meanwhile runs on these cores. To set them in the child, Python would have to fork, which gRPC in this process doesn't survive."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _environment() -> dict[str, str]:
    """As an installed gateway's, which is compiled: with this variable, all of it would be compiled at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """A module of ours as a command."""
    return (sys.executable, "-m", module, *arguments)


def free_port() -> int:
    """One that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _sampled(bench: Bench, server: Server) -> AbstractContextManager[None]:
    return nullcontext() if bench.stacks is None else sampling(server.pid, server.folder, bench.stacks)


@contextmanager
def fresh_folder(bench: Bench) -> Iterator[Path]:
    """On the disk that is measured, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="byoc-bench-", dir=bench.folder, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
