"""An org as large as a test likes, served by `byoc serve`, its providers played by `byoc simulate`: three processes with the test's own."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters import registry
from tests.acceptance.processes import BYOC, start
from tests.chosen import store_of
from tests.ports import free_port
from tests.world import Outside, Rep, outside


@dataclass(frozen=True)
class Crowd:
    """`gateway` for reps, `phones` for customers."""

    gateway: Outside
    phones: Outside
    data_dir: Path

    def rep(self, login: str) -> Rep:
        """Somebody of the org."""
        return self.gateway.rep(login, token_of(login))


def token_of(login: str) -> str:
    """The token that the config gives this login."""
    return f"token-{login}"


def config_of(
    port: int, phones_port: int, data_dir: Path, queues: Mapping[str, list[str]], kinds: tuple[str, ...], settings: dict[str, Any]
) -> dict[str, Any]:
    """Reps as the queues name them; one channel of each kind, all routed to the first queue."""
    logins = sorted({login for reps in queues.values() for login in reps})
    first = next(iter(queues))
    origin = f"http://127.0.0.1:{port}"
    channels = {}
    for kind in kinds:
        made_up = registry.load()[kind].demo
        account = made_up(kind, f"http://127.0.0.1:{phones_port}/sim/{kind}", f"{origin}/webhooks/{kind}")
        channels[kind] = {"kind": kind, "org": "acme", "queue": first, "account": account}
    return {
        "public_url": origin,
        "listen": {"port": port},
        "data_dir": str(data_dir),
        **store_of(data_dir),
        "log_level": "error",
        "limits": {"api_requests_per_minute": 100_000},
        "allow_private_media_hosts": [f"127.0.0.1:{phones_port}"],
        "orgs": {
            "acme": {
                "settings": settings,
                "reps": {
                    **{login: {"name": login.capitalize(), "capacity": 10_000, "tokens": [token_of(login)]} for login in logins},
                    "sam": {"name": "Sam", "supervisor": True, "tokens": [token_of("sam")]},
                },
                "queues": {key: {"name": key.capitalize(), "reps": reps} for key, reps in queues.items()},
            }
        },
        "channels": channels,
    }


@asynccontextmanager
async def crowd(
    folder: Path, queues: Mapping[str, list[str]], *, kinds: tuple[str, ...] = ("line",), settings: dict[str, Any] | None = None
) -> AsyncIterator[Crowd]:
    """Both processes up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 8_192 else max(soft, 8_192), hard))
    port, phones_port = free_port(), free_port()
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump(config_of(port, phones_port, folder / "data", queues, kinds, settings or {})))
    simulate = (*BYOC, "simulate", "--config", str(config), "--port", str(phones_port), "--data", str(folder / "phones"))
    log = folder / "log"
    gateway = await start(*BYOC, "serve", "--config", str(config), ready="listening", log=log)
    phones = None
    try:
        phones = await start(*simulate, ready="phones", log=log)
        async with (
            outside(f"http://127.0.0.1:{port}", connections=0) as reps,
            outside(f"http://127.0.0.1:{phones_port}") as customers,
        ):
            yield Crowd(reps, customers, folder / "data")
    finally:
        for process in (gateway, phones):
            if process and process.running:
                await process.kill()
