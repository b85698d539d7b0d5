"""`byoc`: the commands. Exit 0 done, 1 it failed, 2 used wrongly."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from adapters.errors import AdapterError
from gateway import loops
from gateway.errors import ConfigFaults, GatewayError, without_salesforce

if TYPE_CHECKING:
    from gateway.config import Loaded
    from gateway.demo.world import BrokerName, StoreName
    from gateway.store.beside import Stored
    from gateway.stored import Places

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
ROLES = ("all", "edge", "broker", "sender", "api")
_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    required=True,
    envvar="BYOC_CONFIG",
    help="The YAML file with all settings (config/gateway.example.yaml shows every one). Or set BYOC_CONFIG.",
)


class Told(click.Group):
    """Turns what went wrong into a sentence and exit 1, whichever command it was."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but without tracebacks for what an operator can fix."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `byoc channels | head`: click ends it quietly
            raise
        except (GatewayError, AdapterError, OSError) as error:
            _fail(error)


@click.group(cls=Told, context_settings=CONTEXT)
@click.version_option(package_name="byoc-gateway", prog_name="byoc")
def main() -> None:
    """Bring Your Own Channel: messaging channels in, one desk, and back out.

    Start with `byoc demo`: it needs no account anywhere. For shell completion, put `eval "$(_BYOC_COMPLETE=bash_source byoc)"` into
    ~/.bashrc (zsh_source and fish_source likewise).
    """


def _fail(error: Exception) -> None:
    if isinstance(error, ConfigFaults):
        click.echo(f"{len(error.faults)} fault(s) in the config:", err=True)
        for fault in error.faults:
            click.echo(f"  {fault}", err=True)
    else:
        click.echo(f"byoc: {error}", err=True)
    sys.exit(1)


def _signals_heard() -> Callable[[], Awaitable[None]]:
    """From now on SIGTERM and SIGINT ask for an orderly stop, also while we are starting; gives what waits for one."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def until_stopped() -> None:
        await stop.wait()
        click.echo("stopping: finishing work in progress", err=True)

    return until_stopped


# ------------------------------------------------------------------------------------------------------ demo


@main.command()
@click.option("--port", default=8080, show_default=True, help="TCP port on the loopback address; 0 picks a free one.")
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/demo"),
    show_default=True,
    help="Folder for all data; the next start continues with it.",
)
@click.option(
    "--broker",
    default="embedded",
    show_default=True,
    type=click.Choice(["embedded", "salesforce"]),
    help="Who controls the conversations: the gateway itself, or a simulated Salesforce org, whose console /desk then is.",
)
@click.option(
    "--routing",
    default="salesforce",
    show_default=True,
    type=click.Choice(["salesforce", "partner"]),
    help="With --broker salesforce: who finds a rep, the org, or as a BYOC for CCaaS partner the gateway.",
)
@click.option(
    "--store",
    default="sqlite",
    show_default=True,
    type=click.Choice(["sqlite", "postgresql"]),
    help="Where sessions are kept: in files, or in a PostgreSQL server of its own in the folder.",
)
@click.option("--log-level", default="warning", show_default=True, type=click.Choice(["debug", "info", "warning", "error"]))
def demo(port: int, data_dir: Path, broker: BrokerName, routing: str, store: StoreName, log_level: str) -> None:
    """Run the whole thing with no account anywhere.

    Gateway, embedded broker, the simulated providers of all channels, the desk and the phone wall, in one process on the loopback address.
    Every message passes through the real adapters: signed webhooks in, real HTTP calls out. Stop it with Ctrl-C; kill it and start it
    again: nothing is gone.
    """
    if routing == "partner" and broker != "salesforce":
        raise click.UsageError("--routing partner needs --broker salesforce: without Salesforce, the gateway always routes")
    loops.run(_demo(port, data_dir, broker, log_level, by_partner=routing == "partner", store=store))


async def _demo(port: int, data_dir: Path, broker: BrokerName, log_level: str, *, by_partner: bool, store: StoreName) -> None:
    until_stopped = _signals_heard()
    from gateway.demo.world import run_demo

    await run_demo(port, data_dir, log_level, until_stopped, broker, by_partner=by_partner, store=store)


# ----------------------------------------------------------------------------------------------------- serve


@main.command()
@_CONFIG
@click.option(
    "--processes",
    is_flag=True,
    help="Answer webhooks in a process of its own, on a port of its own (listen.webhooks_port): for two cores and more.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="Do a part of the work, beside other processes on the same database; may be given several times. `all` by default.",
)
def serve(config_path: Path, processes: bool, roles: tuple[str, ...]) -> None:
    """Run the gateway for real.

    With SQLite it is one process. On PostgreSQL (`store` in the config) any number of processes share the work, each with its roles: `edge` takes webhooks, `broker`
    applies them, `sender` calls providers, `api` serves the API, the desk and web chat.
    """
    loops.run(_serve(config_path, processes, roles))


async def _serve(config_path: Path, processes: bool, named: tuple[str, ...]) -> None:
    until_stopped = _signals_heard()
    gc.disable()  # nothing of the start is garbage; looking for some takes an eighth of its time
    from gateway import config, garbage, logs
    from gateway.app import Gateway
    from gateway.processes.starting import Setup
    from gateway.roles import roles_of

    setup = Setup.read(config_path)
    loaded = config.loads(setup.text, name=setup.name, environment=os.environ)
    logs.set_up(loaded.config.log_level, logs.secrets_of(loaded.config, *(c.account for c in loaded.channels.values())))
    roles = roles_of(named, loaded.config, apart=processes)
    gateway = Gateway(loaded, edge=setup if processes else None, roles=roles)
    async with gateway.running() as address:
        click.echo(f"listening on {address}, public address {loaded.config.public_url}")
        if gateway.edge is not None:
            click.echo(f"webhooks on {gateway.edge.address}: have your proxy send everything below /webhooks/ there")
        if "edge" in roles:
            for channel in loaded.channels.values():
                click.echo(f"  {channel.id:16} {loaded.config.public_url}/webhooks/{channel.id}")
        garbage.look_seldom()
        await until_stopped()


@main.command()
@_CONFIG
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The gateway's data_dir: also report what this config changes for stored sessions. Reads only; the gateway may be running.",
)
@click.option(
    "--online",
    is_flag=True,
    help="Also ask each Salesforce org whether it is set up as the config says. Nothing is changed there.",
)
@click.option(
    "--stored",
    "also_stored",
    is_flag=True,
    help="The same for what is stored wherever this config says: in its PostgreSQL database, or its data_dir.",
)
def check(config_path: Path, data_dir: Path | None, online: bool, also_stored: bool) -> None:
    """Read the config and report every fault at once, each with its place and its fix.

    Exit 1 if there is a fault. With --data or --stored also what a start with this config would change: sessions of channels, orgs, queues and reps
    that it no longer has. With --online also how each Salesforce org is set up: `ok`, `FAULT` with its fix, `note`, or `not checked` where
    the gateway's user may not look.
    """
    from gateway import clock, config
    from gateway.orphans import orphans

    loaded = config.load(config_path)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"{config_path}: no fault; {len(loaded.channels)} channel(s), {len(loaded.orgs)} org(s)")
    for name, part, where in _to_check(loaded, data_dir, also_stored=also_stored):
        found = orphans(part, where, clock.now())
        click.echo(
            f"{name}: starting with this config will make these changes:" if found else f"{name}: nothing stored is affected"
        )
        for sentence in found:
            click.echo(f"  {sentence}")
    if online and not asyncio.run(_checked_online(loaded.config)):
        sys.exit(1)


def _to_check(loaded: Loaded, data_dir: Path | None, *, also_stored: bool) -> Iterator[tuple[str, Loaded, Path | Stored]]:
    """Stores, each with what of the config is about its orgs."""
    if data_dir is not None:
        yield str(data_dir), loaded, data_dir
    if also_stored:
        from gateway.shard import parts_of
        from gateway.stored import of_address

        for part in parts_of(loaded):
            where = of_address(part.store.get_secret_value() if part.store else None, loaded.config.data_dir)
            yield where.name, part.loaded, where


async def _checked_online(config: Any) -> bool:
    """Whether no org has a fault."""
    from gateway import clock, logs
    from gateway.journal.driver import Driver

    if not config.salesforce:
        click.echo("no Salesforce org to ask")
        return True
    logs.quiet_grpc()
    from gateway.brokers.salesforce.online import check as check_org

    sound = True
    driver = Driver()
    try:
        for name, org in config.salesforce.items():
            controlled = {
                key: one.salesforce for key, one in config.channels.items() if one.salesforce and one.salesforce.org == name
            }
            click.echo(f"Salesforce org {name} ({org.instance_url}), {len(controlled)} channel(s):")
            async for channel, finding in check_org(org, controlled, config.public_url, driver.call, driver.run, clock.now):
                sound = sound and finding.state != "FAULT"
                click.echo(f"  {finding.state:11}  {f'{channel}: ' if channel else ''}{finding.sentence}")
    finally:
        await driver.close()
    return sound


# -------------------------------------------------------------------------------------------------- channels


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--markdown", "as_markdown", is_flag=True, help="The page docs/channels.md, with all settings; with --grade, docs/grades.md."
)
@click.option(
    "--grade",
    "graded",
    is_flag=True,
    help="How good each is, by the rules of docs/grades.md, and what is missing for the next grade.",
)
def channels(as_json: bool, as_markdown: bool, graded: bool) -> None:
    """The adapters that are installed, plug-ins too, and what each can do."""
    from adapters import registry

    found = registry.load()
    if graded:
        from gateway.describing import grades

        reports = grades.reports(found)
        if as_markdown:
            click.echo(grades.page(reports), nl=False)
        elif as_json:
            click.echo(json.dumps(grades.for_programs(reports), indent=2, sort_keys=True))
        else:
            click.echo("\n".join(grades.lines(reports)))
        return
    from gateway.describing import channel_list, channel_pages

    if as_markdown:
        click.echo(channel_pages.page(found), nl=False)
    elif as_json:
        click.echo(json.dumps(channel_list.for_programs(found), indent=2, sort_keys=True))
    else:
        click.echo("\n".join(channel_list.lines(found)))


@main.command("new-channel")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Target folder; ./byoc-NAME by default. It must be empty or not exist.",
)
def new_channel(name: str, folder: Path | None) -> None:
    """Write a new channel to start from, as its own distribution.

    NAME is the channel's kind: letters and digits, parted by - or _. What is written works: an adapter for signed JSON webhooks, its simulator,
    fixtures and tests that pass. docs/adding-a-channel.md says how to continue.
    """
    from gateway.new_channel import write

    try:
        root, written = write(name, folder)
    except (GatewayError, AdapterError, OSError) as error:
        _fail(error)
        return
    click.echo(f"{len(written)} files written. Next:")
    click.echo(f"  cd {root} && pip install -e '.[dev]' && pytest")
    click.echo("  byoc channels   lists it; its README.md says what to change")


@main.command("envelope-schema")
def envelope_schema() -> None:
    """Print the JSON Schema of the common envelope."""
    from adapters.envelope import envelope_schema as schema

    click.echo(json.dumps(schema(), indent=2, sort_keys=True))


@main.command("example-config")
@click.option("--table", "as_table", is_flag=True, help="Print tables for reading (docs/settings.md), without accounts.")
def example_config(as_table: bool) -> None:
    """Print a config with every setting, its meaning and its default; plug-ins' channels too."""
    from gateway.describing.example_config import example
    from gateway.describing.settings_page import settings_page

    click.echo(settings_page() if as_table else example(), nl=False)


# ------------------------------------------------------------------------------------------------- simulate


@main.group(invoke_without_command=True)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="BYOC_CONFIG",
    help="The gateway's YAML file. Or set BYOC_CONFIG.",
)
@click.option("--port", default=8090, show_default=True, help="TCP port on the loopback address.")
@click.option(
    "--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), default=Path("data/simulated"), show_default=True
)
@click.pass_context
def simulate(ctx: click.Context, config_path: Path | None, port: int, data_dir: Path) -> None:
    """Run the simulated providers alone, for use against a gateway that runs elsewhere on this machine.

    Reads the gateway's own config: each channel's account says with which secrets to sign, and `public_url` where to. The accounts' api_base
    must point here: http://127.0.0.1:PORT/sim/CHANNEL_ID.
    """
    if ctx.invoked_subcommand is not None:
        return
    if config_path is None:
        raise click.UsageError("Missing option '--config'.")
    loops.run(_simulate(config_path, port, data_dir))


async def _simulate(config_path: Path, port: int, data_dir: Path) -> None:
    until_stopped = _signals_heard()
    from gateway import config
    from gateway.demo.world import simulators_alone

    loaded = config.load(config_path)
    async with simulators_alone(loaded, port, data_dir):
        click.echo(f"phones: http://127.0.0.1:{port}/phones")
        await until_stopped()


@simulate.command("salesforce")
@click.option("--port", default=8070, show_default=True, help="TCP port on the loopback address; the next one serves Pub/Sub.")
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/simulated-org"),
    show_default=True,
    help="Folder for the org's data and keys; the next start continues with it.",
)
@click.option("--auto-response", is_flag=True, help="Let the org itself tell customers who has joined.")
def simulate_salesforce(port: int, data_dir: Path, auto_response: bool) -> None:
    """Run a simulated Salesforce org alone, for a gateway that runs elsewhere on this machine.

    Prints what the gateway's config says of it, with the file of a private key that was made for it. /desk is the org's console, signed in as
    ana, ben, cleo or sam (/desk?as=ana). POST /org/_faults makes the org fail, GET /org/_numbers says what it has used of its limits,
    and GET /org/_admin_token gives an administrator's token for `byoc salesforce setup --diff` and `--apply`.
    """
    loops.run(_simulate_salesforce(port, data_dir, auto_response=auto_response))


async def _simulate_salesforce(port: int, data_dir: Path, *, auto_response: bool) -> None:
    until_stopped = _signals_heard()
    try:
        from gateway.demo.alone import organisation_alone, snippet
    except ModuleNotFoundError as missing:
        raise without_salesforce(missing) from missing
    async with organisation_alone(port, data_dir, auto_response=auto_response) as (organisation, address):
        click.echo(snippet(organisation, address))
        click.echo(f"# console: {address}/desk?as=ana")
        await until_stopped()


# ------------------------------------------------------------------------------------------------ Salesforce


@main.group()
def salesforce() -> None:
    """Salesforce as the session broker: what an org needs for it."""


@salesforce.command("setup")
@_CONFIG
@click.option("--org", "org_name", required=True, help="The org's name under `salesforce` in the config.")
@click.option("--channel", "channel_id", help="Only what this channel needs; all channels of the org by default.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the sf project; ./salesforce-ORG by default.",
)
@click.option(
    "--new-key",
    "new_key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Make a private key in this new file first, and the certificate for it. The config may name it already (`file:PATH`).",
)
@click.option("--diff", "diff", is_flag=True, help="Show what the org has, lacks, and has differently; write no files.")
@click.option("--apply", "apply", is_flag=True, help="Create what the org lacks; write no files. What exists is never changed.")
def salesforce_setup(
    config_path: Path, org_name: str, channel_id: str | None, folder: Path | None, new_key: Path | None, diff: bool, apply: bool
) -> None:
    """Write an sf (Salesforce DX) project with what an org needs, or compare it with the org, or create it there.

    --diff and --apply ask the org, with an administrator's access token from the environment variable SALESFORCE_ADMIN_TOKEN, or asked for
    without showing it (`sf org auth show-access-token` prints one). It is used for this run and stored nowhere.
    """
    from gateway import clock, config
    from gateway.brokers.salesforce.setting_up import keys
    from gateway.brokers.salesforce.setting_up.plan import plan_of
    from gateway.brokers.salesforce.setting_up.writing import write
    from gateway.config.salesforce_checks import pem_of

    if diff and apply:
        raise click.UsageError("give --diff or --apply, not both: --apply reports what differs, too")
    if new_key is not None and (diff or apply):
        raise click.UsageError("--new-key belongs to writing the project: leave out --diff and --apply")
    made = keys.write_new(new_key) if new_key is not None else None
    if new_key is not None:
        click.echo(f"written  {new_key} (a private key: keep it secret, and name it in `private_keys` as file:{new_key})")
    loaded = config.load(config_path).config
    plan = plan_of(loaded, org_name, channel_id)
    if diff or apply:
        if not asyncio.run(_salesforce_asked(plan, loaded.salesforce[org_name], apply=apply)):
            sys.exit(1)
        return
    target = folder or Path(f"salesforce-{org_name}")
    key = made or keys.key_of(pem_of(loaded.salesforce[org_name].private_keys[0]))
    write(plan, key, target, clock.now(), click.echo)
    click.echo(f"Next: read {target / 'README.md'}")


async def _salesforce_asked(plan: Any, org: Any, *, apply: bool) -> bool:
    from gateway.brokers.salesforce.inspecting import Inspector
    from gateway.brokers.salesforce.setting_up.applying import create_missing, difference
    from gateway.journal.driver import Driver

    token = (os.environ.get("SALESFORCE_ADMIN_TOKEN") or click.prompt("An administrator's access token", hide_input=True)).strip()
    if not token.isascii() or any(not character.isprintable() or character.isspace() for character in token):
        raise click.UsageError(
            "that is not an access token: it has spaces or line breaks. `sf org auth show-access-token` prints one"
        )
    driver = Driver()
    try:
        inspector = Inspector(driver.call, org, token)
        return await (create_missing(inspector, org, plan, click.echo) if apply else difference(inspector, plan, click.echo))
    finally:
        await driver.close()


# ------------------------------------------------------------------------------------------ inbox and outbox

F = TypeVar("F", bound=Callable[..., Any])


def _stored(command: F) -> F:
    """Options that say where the gateway keeps what it stores; the command is given its `places`."""

    @click.option("--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), envvar="BYOC_DATA", help=_DATA_HELP)
    @click.option("--config", "config_path", type=click.Path(path_type=Path), envvar="BYOC_CONFIG", help=_CONFIG_HELP)
    @click.option("--store", "url", envvar="BYOC_STORE", help=_STORE_HELP)
    @click.option("--org", help="With `stores` in the config: the org whose store is meant.")
    @functools.wraps(command)
    def wrapped(
        *arguments: Any, data_dir: Path | None, config_path: Path | None, url: str | None, org: str | None, **others: Any
    ) -> Any:
        return command(*arguments, places=_places(data_dir, config_path, url).of(org), **others)

    return cast("F", wrapped)


_DATA_HELP: Final = "The gateway's data_dir; data/demo by default. Or set BYOC_DATA."
_CONFIG_HELP: Final = "The gateway's config, which says where it keeps things. Or set BYOC_CONFIG."
_STORE_HELP: Final = (
    "The address of its PostgreSQL database. Better set BYOC_STORE: other users of this machine can see what a command is given."
)


def _places(data_dir: Path | None, config_path: Path | None, url: str | None) -> Places:
    """What was given with the command goes before what the environment says."""
    from gateway import stored

    sources = click.get_current_context().get_parameter_source
    given = [name for name in ("url", "config_path", "data_dir") if sources(name) is ParameterSource.COMMANDLINE]
    if len(given) > 1:
        raise click.UsageError("give one of --data, --config and --store: each says where to look")
    which = given[0] if given else ""
    if url and which in ("url", ""):
        return stored.by_address(url)
    if config_path and which in ("config_path", ""):
        return stored.by_config(config_path)
    folder = data_dir or stored.DEFAULT
    if not folder.is_dir():
        raise click.BadParameter(f"Directory '{folder}' does not exist.", param_hint="'--data'")
    return stored.by_folder(folder)


def _listed(listed: Iterable[tuple[list[str], int]]) -> tuple[list[str], int]:
    """Of several stores."""
    all_lines: list[str] = []
    all_in_all = 0
    for lines, total in listed:
        all_lines += lines
        all_in_all += total
    return all_lines, all_in_all


@main.group()
def inbox() -> None:
    """Webhooks that could not be read, or held something that has no meaning here."""


@inbox.command("list")
@_stored
@click.option("--limit", default=100, show_default=True)
@click.option("--unknown", is_flag=True, help="List webhooks that were kept because something in them has no meaning here.")
def inbox_list(places: Places, limit: int, unknown: bool) -> None:
    """One line each: id, time, channel, reason. Without --unknown: those that are stuck."""
    from gateway import operators

    if unknown:
        found = _listed(operators.unknown_webhooks(one.stored, limit) for one in places.all)
        _print_lines(*found, "no webhook was kept as unknown")
        return
    others = [operators.webhook_counts(one.stored) for one in places.all]
    waiting, kept = sum(one.waiting for one in others), sum(one.unknown for one in others)
    nothing = ["no webhook is stuck"]
    nothing += [f"{waiting} not read yet"] if waiting else []
    nothing += [f"{kept} kept as unknown: byoc inbox list --unknown"] if kept else []
    _print_lines(*_listed(operators.stuck_webhooks(one.stored, limit) for one in places.all), "; ".join(nothing))
    if any(one.streams for one in places.all):
        _print_streams(places)


def _print_streams(places: Places) -> None:
    """What waits in NATS, before any store has it."""
    from gateway import stored

    waiting = asyncio.run(stored.waiting_in_streams(places))
    total = sum(waiting.values())
    each = ", ".join(f"{channel_id} {count}" for channel_id, count in waiting.items())
    click.echo(f"{total} in the NATS stream, not taken yet{f': {each}' if each else ''}")


@inbox.command("show")
@click.argument("row_id", metavar="ID", type=int)
@_stored
def inbox_show(row_id: int, places: Places) -> None:
    """The raw request, as JSON. It holds what a customer wrote."""
    from gateway import operators

    found = operators.webhook(places.only.stored, row_id)
    _print_json(operators.webhook_shown(found) if found else None, f"no webhook {row_id}; see `byoc inbox list`")


@inbox.command("replay")
@click.argument("row_ids", metavar="ID...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Replay all stuck webhooks.")
@click.option("--unknown", is_flag=True, help="With --all: replay those that were kept as unknown instead.")
@_stored
def inbox_replay(row_ids: tuple[int, ...], everything: bool, unknown: bool, places: Places) -> None:
    """Let webhooks be read again, after a fix. A running gateway takes them up within a second.

    It does no harm to what was understood before: each event has its effect once. --all skips what was received while the
    channel was another org's, and says how many; an id takes it.
    """
    from gateway import operators

    _needs_ids(row_ids, everything)
    if unknown and not everything:
        raise click.UsageError("--unknown needs --all; ids need neither")
    chosen = places.all if everything else (places.only,)
    done = [operators.replay_webhooks(one.stored, None if everything else list(row_ids), unknown=unknown) for one in chosen]
    again, skipped = sum(one.again for one in done), sum(one.skipped for one in done)
    aside = "received while the channel belonged to another org. To give one to the org that has the channel now: byoc inbox replay ID"
    _replayed(again, "webhook", f"{skipped} skipped, {aside}" if skipped else None)


@inbox.command("export")
@click.argument("row_id", metavar="ID", type=int)
@click.option(
    "--redact", is_flag=True, help="Replace words, names, numbers and secrets. Needed: a fixture is for others to read."
)
@click.option("--case", help="The fixture's name, which says the situation (photo_without_caption); webhook_ID by default.")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fixtures"),
    show_default=True,
    help="The folder to write into.",
)
@_stored
def inbox_export(row_id: int, redact: bool, case: str | None, folder: Path, places: Places) -> None:
    """Write a webhook as a fixture for the channel's tests, without the customer in it.

    Three files: CASE.body, CASE.headers.json and CASE.expected.json. Each word is replaced by one of the same shape, the same wherever it occurs. The
    request is signed again with a test secret if the channel's suite is installed (in a source checkout, or with the plug-in). Read the files before you
    share them: what stays as the provider's own words is listed.
    """
    from adapters.conformance.finding import suite_of
    from gateway import operators, stored
    from gateway.demo import cast as demo_cast
    from gateway.new_channel.recording import record

    if not redact:
        raise click.UsageError("a fixture is always redacted: give --redact, or see the request itself with `byoc inbox show`")
    loaded = places.loaded or demo_cast.load(8080, stored.DEFAULT)
    row = operators.webhook(places.only.stored, row_id)
    if row is None:
        raise GatewayError(f"no webhook {row_id}; see `byoc inbox list`")
    if (channel := loaded.channels.get(row.channel_id)) is None:
        raise GatewayError(
            f"webhook {row_id} came for the channel {row.channel_id!r}, which this config doesn't have: give --config"
        )
    written = record(
        row.request, channel.adapter, channel.account, suite_of(channel.adapter), case or f"webhook_{row_id}", folder
    )
    for path in written.files:
        click.echo(path)
    for sentence in written.to_do:
        click.echo(f"  {sentence}")


@main.group()
def outbox() -> None:
    """Messages that were not delivered, whose fate isn't known, or that wait."""


@outbox.command("list")
@_stored
@click.option("--limit", default=100, show_default=True)
@click.option("--queued", is_flag=True, help="List waiting messages: since when, when they are tried next, and why.")
def outbox_list(places: Places, limit: int, queued: bool) -> None:
    """One line each: id, time, channel, state, code, reason. Without --queued: those that failed, are unknown, or were skipped."""
    from gateway import operators

    if queued:
        _print_lines(*_listed(operators.waiting_messages(one.stored, limit) for one in places.all), "no message is waiting")
        return
    waiting = sum(operators.waiting_count(one.stored) for one in places.all)
    nothing = "no message has failed, is unknown, or was skipped"
    nothing += f"; {waiting} waiting: byoc outbox list --queued" if waiting else ""
    _print_lines(*_listed(operators.troubled_messages(one.stored, limit) for one in places.all), nothing)


@outbox.command("show")
@click.argument("row_id", metavar="ID")
@_stored
def outbox_show(row_id: str, places: Places) -> None:
    """The message and every attempt, as JSON. It holds what a rep wrote."""
    from gateway import operators

    found = next(filter(None, (operators.message(one.stored, row_id) for one in places.all)), None)
    _print_json(found, f"no message {row_id}; see `byoc outbox list`")


@outbox.command("replay")
@click.argument("row_ids", metavar="ID...", nargs=-1)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Resend all that `list` shows without --queued, including unknown ones, which customers may then see twice.",
)
@_stored
def outbox_replay(row_ids: tuple[str, ...], everything: bool, places: Places) -> None:
    """Send messages again. A running gateway takes them up within a second."""
    from gateway import operators

    _needs_ids(row_ids, everything)
    ids = None if everything else list(row_ids)
    _replayed(sum(operators.replay_messages(one.stored, ids) for one in places.all), "message")


@main.group()
def store() -> None:
    """Where sessions, webhooks and chats are kept."""


@store.command("copy")
@click.option(
    "--from",
    "source",
    required=True,
    help="What is copied: a data_dir, postgresql://…, or with --config `sqlite` or `postgresql`.",
)
@click.option(
    "--to",
    "target",
    required=True,
    help="Where to, named likewise. It must be empty, or a copy of the same that was not finished.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="BYOC_CONFIG",
    help="A config that names the stores, and where files are kept.",
)
def store_copy(source: str, target: str, config_path: Path | None) -> None:
    """Copy an installation to another store: sessions, webhooks, chats, and their files.

    Stop every gateway on both first. It may be stopped at any point and started again: then it goes on where it was. At the end all tables are compared. The source is not changed.
    """
    from gateway import config, moving

    loaded = config.load(config_path).config if config_path else None
    moving.copy(moving.spot_of(source, loaded), moving.spot_of(target, loaded), click.echo)


@main.command()
@_stored
def workers(places: Places) -> None:
    """Who works on the store, since when, and what each does of what the processes share out.

    One line each: name, machine and process, roles, version, and duties, such as the lanes of conversations. Exit 1 if nobody works on a store.
    """
    from gateway import operators

    nobody = False
    for one in places.all:
        lines = operators.workers(one.stored)
        if lines is None:
            click.echo(f"{one.stored.name}: one process has it to itself, and does all the work")
        for line in lines or ():
            click.echo(line)
        if lines == []:
            click.echo(f"{one.stored.name}: no process works on it")
            nobody = True
    if nobody:
        sys.exit(1)


def _needs_ids(row_ids: tuple[Any, ...], everything: bool) -> None:
    if bool(row_ids) == everything:
        raise click.UsageError("give the ids to replay, or --all")


def _print_lines(lines: list[str], total: int, nothing: str) -> None:
    for line in lines or ([] if total else [nothing]):
        click.echo(line)
    if total > len(lines):
        click.echo(f"{total - len(lines)} more: use a larger --limit", err=True)


def _print_json(found: dict[str, Any] | None, missing: str) -> None:
    if found is None:
        click.echo(f"byoc: {missing}", err=True)
        sys.exit(1)
    # Bytes that are no text are escaped, as JSON has it: a terminal can't show them.
    click.echo(json.dumps(found, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode())


def _replayed(count: int, what: str, skipped: str | None = None) -> None:
    click.echo(f"{count} {what}(s) queued again")
    if skipped:
        click.echo(skipped)
    if not count:
        sys.exit(1)


if __name__ == "__main__":
    main()
