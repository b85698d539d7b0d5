"""`byoc demo`: gateway, broker, simulated providers, desk and phone wall in one process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click
from aiohttp import web

from gateway import clock, logs, pages
from gateway.app import Gateway, kept_secret
from gateway.config import Loaded
from gateway.demo import cast
from gateway.demo.host import SimulatorHost
from gateway.demo.phones import Phones
from gateway.demo.watched import WatchedGateway
from gateway.errors import GatewayError, without_postgresql, without_salesforce
from gateway.store.sole import sole_user
from gateway.stored import ADDRESS, DEMO_SERVER

if TYPE_CHECKING:  # for those who have its package
    from gateway.demo.postgresql import Server

BrokerName: TypeAlias = Literal["embedded", "salesforce"]
StoreName: TypeAlias = Literal["sqlite", "postgresql"]


def loopback_socket(port: int) -> socket.socket:
    """A listening socket on the loopback address only. Raises GatewayError when the port is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise GatewayError(
            f"port {port} can't be used ({error.strerror}): stop the program that listens there, or pass another --port"
        ) from error
    return sock


@asynccontextmanager
async def demo_world(
    port: int,
    data_dir: Path,
    broker: BrokerName = "embedded",
    *,
    by_partner: bool = False,
    store: StoreName = "sqlite",
    places: Mapping[str, Any] | None = None,
) -> AsyncIterator[tuple[Gateway, SimulatorHost, str]]:
    """Everything up; gives the gateway, the providers, and the address. With Salesforce as the broker, its `console` is the org's. With `store` PostgreSQL, a
    server of its own runs in the folder; `places` are settings for where else things are kept, as in `cast`."""
    sock = loopback_socket(port)
    port = sock.getsockname()[1]
    async with AsyncExitStack() as stack:
        places = places or {}
        if store == "postgresql" or "store" in places:
            stack.enter_context(_sole(data_dir))
        if store == "postgresql":
            url = await stack.enter_async_context(_postgresql(data_dir / DEMO_SERVER))
            places = {**places, "store": url, "media_secret": kept_secret(data_dir / "media.secret")}
        if broker == "embedded":
            loaded, organisation, doors = cast.load(port, data_dir, places), None, []
        else:
            try:
                from gateway.demo.salesforce import controlled_by_salesforce
            except ModuleNotFoundError as missing:
                raise without_salesforce(missing) from missing
            loaded, organisation = await stack.enter_async_context(
                controlled_by_salesforce(port, data_dir, places, by_partner=by_partner)
            )
            doors = [organisation.install]
        host = SimulatorHost(loaded.channels, data_dir, clock.now)
        doors.append(Phones(host, clock.now).install)

        def extend(app: web.Application, _: Gateway) -> None:
            for install in doors:
                install(app)

        console = organisation.console if organisation else None
        gateway = WatchedGateway(loaded, host.wires, demo=True, extend=extend, console=console)
        if organisation and by_partner:  # our routing goes by the presence that reps set at the console
            organisation.attendance.told = gateway.broker.set_presence
        async with host.remembering(), gateway.running(sock) as address, host.working():
            yield gateway, host, address


@contextmanager
def _sole(data_dir: Path) -> Iterator[None]:
    """Gateways on one database may share a folder, but not the simulated providers."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with sole_user(data_dir):
        yield


def _begin(server: Server) -> None:
    """A demo that was killed is gone for sure, since its server is: nobody waits until its leases expire."""
    try:
        from gateway.store.leases import Leases
        from gateway.store.postgresql.database import PostgresDatabase
    except ModuleNotFoundError as missing:
        raise without_postgresql(missing) from missing
    server.start()
    try:
        database = PostgresDatabase(server.url())
        database.prepare()
        leases = Leases(database, lease_seconds=0)
        leases.take_over()
        leases.close()
    except BaseException:
        server.stop()
        raise


@asynccontextmanager
async def _postgresql(folder: Path) -> AsyncIterator[str]:
    """The address of a server that runs as long as this does. It is also noted in the folder, for operators' commands."""
    from gateway.demo.postgresql import Server

    server, noted = Server(folder), folder / ADDRESS
    await asyncio.to_thread(_begin, server)
    try:
        noted.touch(mode=0o600)
        noted.write_text(server.url())
        yield server.url()
    finally:
        noted.unlink(missing_ok=True)
        await asyncio.to_thread(server.stop)


async def run_demo(
    port: int,
    data_dir: Path,
    log_level: str,
    until_stopped: Callable[[], Awaitable[None]],
    broker: BrokerName = "embedded",
    *,
    by_partner: bool = False,
    store: StoreName = "sqlite",
) -> None:
    """Run the demo until it is stopped."""
    logs.set_up(log_level)
    async with demo_world(port, data_dir, broker, by_partner=by_partner, store=store) as (gateway, _, address):
        url = gateway.config.store.get_secret_value() if gateway.config.store else None
        click.echo(welcome(address, gateway.data_dir, broker, by_partner=by_partner, store=url))
        await until_stopped()


def welcome(
    address: str, data_dir: Path, broker: BrokerName = "embedded", *, by_partner: bool = False, store: str | None = None
) -> str:
    """What a newcomer reads: where to begin, then what else there is. `store`: the database's address, if there is one."""
    begun, desk = (
        ("The demo is running.", "") if broker == "embedded" else (_WITH_SALESFORCE, " (the console of the simulated org)")
    )
    begun += " The gateway routes: the org asks it for a rep." if by_partner else ""
    more = "" if broker == "embedded" else f"\n      {address}/org/_numbers, what the org has used of its limits"
    kept = f", in a PostgreSQL server of its own: {store}" if store else ""
    return f"""{begun} Begin here:

  1. Be the customer: open {address}/phones and write a message on the WhatsApp phone.
  2. Be a rep: open {address}/desk?as=ana{desk} and accept the conversation. Your answer comes to the phone.
  3. Ask a colleague in: open {address}/desk?as=ben, press Conference on Ana's desk, invite Ben, and join on Ben's.

Also: {address}/desk?as=cleo, and {address}/desk?as=sam, who supervises
      {address}/chat/webchat, the web chat on its own page
      {address}/docs, the API{more}
Everything is kept in {data_dir}{kept}. Stop with Ctrl-C."""


_WITH_SALESFORCE = """The demo is running, with a simulated Salesforce org in control of all conversations. What you do as a rep, you do in the org: the gateway learns of it
from the org's events, and passes it on to the customer."""


@asynccontextmanager
async def simulators_alone(loaded: Loaded, port: int, data_dir: Path) -> AsyncIterator[SimulatorHost]:
    """The providers and the phone wall, for a gateway in another process."""
    host = SimulatorHost(loaded.channels, data_dir, clock.now)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    Phones(host, clock.now).install(app)
    pages.install(app, demo=True)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        async with host.remembering():
            await web.SockSite(runner, loopback_socket(port)).start()
            async with host.working():
                yield host
    finally:
        await runner.cleanup()
