"""A gateway in roles on a real PostgreSQL server, with a network of so many milliseconds between each process and the database."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from bench import machine, servers
from bench.servers import Server
from bench.subject import Bench
from tests import postgresql

_APPLIED: Final = b"SELECT count(*) FROM byoc.message_ids WHERE channel_id = 'whatsapp' AND message_id LIKE 'wamid.bench.%'"
_DELIVERED: Final = b"SELECT count(*) FROM byoc.outbox WHERE state = 'delivered'"
_QUEUED: Final = b"SELECT count(*) FROM byoc.outbox WHERE state = 'queued'"


@dataclass
class Roles:
    """`milliseconds`: of a round trip between a process and the database. All processes may use all cores."""

    folder: Path
    database: postgresql.Server
    milliseconds: float
    config: dict[str, Any]
    running: list[Server] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self, role: str, port: int | None = None) -> Server:
        """One more process."""
        port = port or servers.free_port()
        number = len(self.running) + 1
        mine = {**self.config, "listen": {"port": port}, "data_dir": str(self.folder / f"data-{number}")}
        mine["store"] = self.database.url(port=self._way())
        config = self.folder / f"gateway-{number}.yaml"
        config.write_text(json.dumps(mine))
        command = servers.python("gateway.cli", "serve", "--config", str(config), "--role", role)
        started = servers.start(self.folder, port, command, cores=machine.server_cores(99))
        self.running.append(started)
        self._stack.callback(started.kill)
        return started

    def _way(self) -> int:
        if not self.milliseconds:
            return int(self.database.port)
        to = f"127.0.0.1:{self.database.port}"
        command = servers.python("tests.proxy", "--to", to, "--milliseconds", str(self.milliseconds / 2))
        proxy = subprocess.Popen(command, cwd=servers.ROOT, stdout=subprocess.PIPE)
        self._stack.callback(proxy.kill)
        assert proxy.stdout is not None
        port: bytes = proxy.stdout.readline()
        return int(port)

    def stop(self, *which: Server) -> None:
        """By SIGTERM: what they share goes on at once."""
        for one in which or self.running:
            one.stop()

    def applied(self) -> int:
        """How many messages are in transcripts."""
        return self._count(_APPLIED)

    def queued(self) -> int:
        """How many messages are to be sent still."""
        return self._count(_QUEUED)

    def delivered(self) -> int:
        """How many messages are known to be at the customers'."""
        return self._count(_DELIVERED)

    def _count(self, query: bytes) -> int:
        with psycopg.connect(self.database.url(), autocommit=True) as connection:
            row = connection.execute(query).fetchone()
            return int(str(row[0])) if row else 0

    def close(self) -> None:
        """Everything that was started."""
        self._stack.close()


@contextmanager
def roles(bench: Bench, milliseconds: float = 0, **settings: Any) -> Iterator[Roles]:
    """No process yet. The server keeps what it says is durable."""
    with servers.fresh_folder(bench) as folder:
        folder.chmod(0o755)
        port = servers.free_port()
        config = servers.config_of(port, folder / "data", **settings) | {"media_secret": "a secret that all of them share"}
        with postgresql.server(folder / "pg", shared_buffers="256MB", max_wal_size="4GB") as database:
            made = Roles(folder, database, milliseconds, config)
            try:
                yield made
            finally:
                made.close()
