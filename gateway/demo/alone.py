"""A simulated Salesforce org by itself, with its console, for a gateway in another process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from gateway import pages
from gateway.app import kept_secret
from gateway.demo import cast
from gateway.demo.organisation import Organisation, Wanted
from gateway.demo.world import loopback_socket
from gateway.edge.api.install import install as install_api
from gateway.edge.limits import Limits, Rate
from gateway.edge.media import MediaDoor


@asynccontextmanager
async def organisation_alone(
    port: int, data_dir: Path, *, auto_response: bool = False
) -> AsyncIterator[tuple[Organisation, str]]:
    """The org with its doors and its console, for a gateway in another process; gives it and its address. Pub/Sub has the port after `port`, or with 0
    any free one, too. Raises GatewayError when a port is taken."""
    sock = loopback_socket(port)
    taken = sock.getsockname()[1]
    raw = cast.raw(taken, data_dir)
    address = str(raw["public_url"])
    secret = kept_secret(data_dir / "media.secret")
    wanted = Wanted(address, raw["orgs"], raw["channels"], secret, auto_response=auto_response)
    async with Organisation(wanted, data_dir).working() as organisation, organisation.published(port + 1 if port else 0):
        app = web.Application(client_max_size=64 * 1024 * 1024)
        _console(app, organisation)
        organisation.install(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, sock).start()
            yield organisation, address
        finally:
            await runner.cleanup()


def _console(app: web.Application, organisation: Organisation) -> None:
    desk = organisation.desk

    most = desk.config.limits
    requests = Rate(per_second=most.api_requests_per_minute / 60, burst=most.api_requests_per_minute)
    limits = Limits(max_body_bytes=most.api_max_bytes, max_file_bytes=most.file_max_bytes, requests=requests)
    shown = organisation.console
    install_api(app, shown.broker, shown.directory, limits=limits, public_url=desk.config.public_url, now=desk.clock)
    MediaDoor(desk.links, shown.file_of, desk.clock).install(app)
    pages.install(app, demo=True)


def snippet(organisation: Organisation, address: str) -> str:
    """What a gateway's config on this machine says of the org, as YAML."""
    orgs, channels = organisation.settings()
    here = {"allow_private_media_hosts": [address.removeprefix("http://")]}
    blocks: dict[str, Any] = {"channels": {channel_id: {"salesforce": block} for channel_id, block in channels.items()}}
    parts = [yaml.safe_dump(part, sort_keys=False) for part in (here, {"salesforce": orgs}, blocks)]
    return "# For the gateway's config; of the channels, take those that you have.\n" + "".join(parts)
