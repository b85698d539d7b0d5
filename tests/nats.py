"""Real NATS servers for tests: `nats-server` from PyPI, each on a port of its own, with its data in a folder of the test's."""

from __future__ import annotations

import base64
import json
import os
import secrets
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

import nkeys
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


def credentials(folder: Path) -> tuple[str, Path]:
    """Lines of a server's configuration for an account that users sign in to with keys, and the file with such a user's."""
    operator, account, user = (
        _key(kind) for kind in (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER)
    )
    system = _key(nkeys.PREFIX_BYTE_ACCOUNT)
    limits = dict.fromkeys(("subs", "data", "payload"), -1)
    everything = {**limits, **dict.fromkeys(("conn", "leaf", "imports", "exports"), -1), "wildcards": True}
    storage = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
    accounts = {
        account: _token(account, operator, "BYOC", {"type": "account", "limits": {**everything, **storage}}),
        system: _token(system, operator, "SYS", {"type": "account", "limits": everything}),
    }
    operator_token = _token(operator, operator, "byoc", {"type": "operator"})
    user_token = _token(user, account, "edge", {"type": "user", **limits})
    file = folder / "edge.creds"
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user_token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    preload = ", ".join(f"{key.public_key.decode()}: {token}" for key, token in accounts.items())
    lines = [
        f"operator: {operator_token}",
        f"system_account: {system.public_key.decode()}",
        "resolver: MEMORY",
        f"resolver_preload: {{ {preload} }}",
    ]
    return "\n".join(lines), file


def _key(prefix: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))


def _token(subject: nkeys.KeyPair, issuer: nkeys.KeyPair, name: str, about: dict[str, Any]) -> str:
    """A JWT as NATS has them: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt."""
    claims = {
        "jti": secrets.token_hex(16),
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "sub": subject.public_key.decode(),
        "name": name,
        "nats": {"version": 2, **about},
    }
    parts = [json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode(), json.dumps(claims).encode()]
    signed = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return f"{signed}.{base64.urlsafe_b64encode(issuer.sign(signed.encode())).decode().rstrip('=')}"
