"""The docs tell the truth: every command, address, setting, code, metric and log action has its place, links resolve, examples run."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from aiohttp import web

import run
from adapters.envelope import INBOUND, OUTBOUND, envelope_schema
from adapters.replies import CODES
from gateway import config
from gateway.app import Gateway
from gateway.brokers.reconciling import UNSENT
from gateway.cli import main
from gateway.demo import cast
from gateway.demo.host import SimulatorHost
from gateway.demo.phones import Phones
from gateway.describing.settings_page import settings_page
from gateway.edge.problems import TABLE
from gateway.metrics import Metrics
from gateway.session.model import InvitationStatus, Presence, Status
from gateway.session.refusals import CODES as RULES
from gateway.store.contract import WITHDRAWN
from gateway.store.inbox_rows import of_another_org
from gateway.webchat.problems import CODES as CHAT_CODES
from tests.world import demo, wait_until

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
AT_THE_TOP = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "adapters/README.md"]
PAGES = sorted([*(ROOT / name for name in AT_THE_TOP), *DOCS.rglob("*.md")])


def page(name: str) -> str:
    return (DOCS / name).read_text()


def without_code(text: str) -> str:
    return re.sub(r"(?ms)^ *```.*?^ *```$|<!--.*?-->", "", text)


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of any level."""
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", text)
    assert found, heading
    return found[1]


def first_cells(text: str) -> set[str]:
    """All that stands in backquotes in the first column of tables."""
    rows = re.findall(r"(?m)^\| ([^|]*) \|", text)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


# ----------------------------------------------------------------------------------------------------- links


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    plain = [
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title.lower())).replace(" ", "-") for title in titles
    ]
    return set(plain) | set(re.findall(r'<a id="([^"]+)">', text))


def links() -> Iterator[tuple[Path, str]]:
    for file in PAGES:
        for target in dict.fromkeys(re.findall(r"\]\(([^)\s]+)\)", without_code(file.read_text()))):
            if not re.match(r"https?://|mailto:", target):
                yield file, target


@pytest.mark.parametrize(("file", "target"), [pytest.param(f, t, id=f"{f.relative_to(ROOT)}: {t}") for f, t in links()])
def test_links_resolve(file: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (file.parent / path).resolve() if path else file
    assert there.exists(), f"{file.name} links to {target}"
    if anchor:
        assert anchor in anchors(there.read_text()), f"{there.name} has no heading for #{anchor}"


def test_every_page_can_be_found() -> None:
    """Each page is linked from another one."""
    linked = {(file.parent / target.partition("#")[0]).resolve() for file, target in links()}
    assert [str(f.relative_to(ROOT)) for f in PAGES if f not in linked and f.name != "README.md"] == []


def test_the_picture_is_sound_and_fits_light_and_dark() -> None:
    from xml.etree import ElementTree

    picture = (DOCS / "images" / "road.svg").read_text()
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own file
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in picture


# -------------------------------------------------------------------------------------------------- commands


def commands(group: click.Group, before: str = "byoc") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{before} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_heading_and_options(name: str) -> None:
    text = page("commands.md")
    told = section(text, f"`{name}`")
    group = name.rsplit(" ", 1)[0]
    if group in COMMANDS:
        told += section(text, f"`{group}`")
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in told or f" {parameter.opts[0]}" in told, parameter.opts


def test_no_heading_for_a_command_that_is_not_there() -> None:
    assert set(re.findall(r"(?m)^#+ `(byoc [^`]+)`$", page("commands.md"))) == set(COMMANDS)


def code_blocks(text: str, *languages: str) -> list[str]:
    found = re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", text)
    return [textwrap.dedent(block) for language, block in found if language in languages]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_that_pages_tell_to_type_are_there(file: Path) -> None:
    text = file.read_text()
    typed = [line for block in code_blocks(text, "sh", "bash") for line in block.splitlines()]
    typed += re.findall(r"`((?:byoc|python3 run\.py) [^`]+)`", text)
    for line in typed:
        for found in re.findall(r"(?:byoc|python3 run\.py)((?: [a-z][a-z-]*)+)(?: |$)", line.partition("#")[0]):
            words = found.split()
            if line.startswith("python3 run.py") and words[0] in run.tools([]):
                continue
            known: click.Command | None = main
            for word in words:
                known = known.commands.get(word) if isinstance(known, click.Group) else known
            assert known is not None, line
        name = next(
            (n for n in sorted(COMMANDS, key=len, reverse=True) if f"{n} " in line.replace("python3 run.py ", "byoc ")), None
        )
        if name and re.match(r"(byoc|python3 run\.py) ", line):
            allowed = {opt for p in COMMANDS[name].params for opt in p.opts} | {"--help"}
            assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= allowed, line


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert [line.split("#")[0].strip() for line in code_blocks(text, "sh")[0].splitlines()] == [
        "python3 run.py demo",
        "python3 run.py test",
    ]
    assert (ROOT / "run.py").is_file()


def test_what_contributors_are_told_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path in set(re.findall(r"`((?:gateway|tests|adapters|docs)/[\w./-]*)`", text)) | {
        ".ci/run",
        "requirements.lock",
        "package-lock.json",
    }:
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`([cplmrte]\d+_\w+)`", text):
        assert any(f"def {name}(" in path.read_text() for path in (ROOT / "gateway/session").glob("*.py")), name
    assert set(re.findall(r"(?m)^\| `python3 run\.py test ([a-z]+)`", text)) == set(run.TIERS)
    modules = re.findall(r"\.venv/bin/python -m ([\w.]+)", text)
    assert modules
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules)


def test_the_hooks_before_a_commit_run_what_ci_runs() -> None:
    hooks = [hook for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == ["python3 run.py lint", "python3 run.py types"]
    checked = (ROOT / ".ci/run").read_text()
    assert all(hook["entry"] in checked for hook in hooks)


def configs() -> Iterator[object]:
    for file in PAGES:
        for number, block in enumerate(code_blocks(file.read_text(), "yaml")):
            if re.search(r"(?m)^(channels|public_url):", block) and re.search(r"(?m)^orgs:", block):
                yield pytest.param(block, id=f"{file.relative_to(ROOT)} {number}")


@pytest.mark.parametrize("block", [*configs()])
def test_configs_that_pages_show_are_sound(block: str) -> None:
    variables = {name: f"secret-of-{name}-0123456789" for name in re.findall(r"\$\{(\w+)\}", block)}
    assert config.loads(block, environment=variables).channels


# ------------------------------------------------------------------------------------------------- addresses


@pytest.fixture
def routes(tmp_path: Path) -> set[str]:
    """`METHOD /path` of all that the demo serves."""
    loaded = cast.load(20_001, tmp_path)

    async def gathered() -> set[str]:
        host = SimulatorHost(loaded.channels, tmp_path, lambda: None)  # type: ignore[arg-type,return-value]
        phones = Phones(host, lambda: None)  # type: ignore[arg-type,return-value]
        gateway = Gateway(loaded, demo=True, extend=lambda app, _: phones.install(app))
        app, _ = gateway.application()
        found = {f"{r.method} {_path(r)}" for r in app.router.routes() if r.method != "HEAD"}
        await gateway.driver.close()
        return found

    return asyncio.run(gathered())


def _path(route: web.AbstractRoute) -> str:
    told = route.get_info()
    return str(told.get("path") or told.get("formatter"))


def test_every_address_has_its_row(routes: set[str]) -> None:
    told = first_cells(page("api.md")) | first_cells(page("addresses.md"))
    wanted = {route.replace(" /api/v1", " ") for route in routes}
    assert sorted(wanted - told) == []
    rows = {word for word in told if re.match(r"(GET|POST|PUT|DELETE|OPTIONS|\*) /", word)}
    assert sorted(rows - wanted) == [], "told, but not there"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_examples_of_the_api_run(tmp_path: Path) -> None:
    (script,) = (block for block in code_blocks(page("api.md"), "sh") if "curl" in block)
    note = tmp_path / "note.txt"
    async with demo(tmp_path / "data") as world:
        here = script.replace("http://127.0.0.1:8080", world.address).replace("/tmp/byoc-note.txt", str(note))  # noqa: S108
        assert here != script
        process = await asyncio.create_subprocess_exec(
            "bash", "-euc", here, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == 0, (out, err)
        assert b'"code": "invitation_pending"' in out
        kim = world.customer("sms")
        await wait_until(lambda: _shows(kim, "The number:"), what="the file's words on the handset")


async def _shows(kim: object, text: str) -> bool:
    return any(text in (line["text"] or "") for line in await kim.seen("message"))  # type: ignore[attr-defined]


# -------------------------------------------------------------------------------- settings, schema, envelope


def test_the_settings_page_is_what_the_command_prints() -> None:
    assert page("settings.md") == settings_page(), "run `byoc example-config --table > docs/settings.md`"


def test_the_envelope_s_schema_is_what_the_command_prints() -> None:
    told = json.loads(page("envelope.schema.json"))
    assert told == json.loads(json.dumps(envelope_schema())), "run `byoc envelope-schema > docs/envelope.schema.json`"


def test_every_kind_of_the_envelope_has_its_row() -> None:
    schema = json.dumps([INBOUND.json_schema(), OUTBOUND.json_schema()])
    kinds = set(re.findall(r'"(?:kind|type)": \{"const": "(\w+)"', schema))
    assert len(kinds) >= 16
    assert kinds - first_cells(page("envelope.md")) == set()


# --------------------------------------------------------------------------------------------- codes, states


def codes_told(heading: str) -> set[str]:
    return first_cells(section(page("codes.md"), heading))


def test_every_refusal_has_its_row_with_its_status() -> None:
    text = page("codes.md")
    for code, (status, _) in {**TABLE, **CHAT_CODES}.items():
        assert f"| `{code}` | {status} |" in text, code
    told = {word for by in ("a rule", "the server", "web chat") for word in codes_told(f"Refusals by {by}")}
    assert told == set(TABLE) | set(CHAT_CODES)
    assert set(RULES) <= codes_told("Refusals by a rule")


def test_every_delivery_code_has_its_row() -> None:
    """Those that all channels share, and those that the sender itself gives."""
    sender = (ROOT / "gateway/journal/sender.py").read_text()
    own = set(re.findall(r'Why\(\s*"(\w+)"', sender))
    assert {"unsupported", "adapter_fault", "no_answer"} <= own
    own |= {lost.unsent.why.code for lost in UNSENT.values()} | {WITHDRAWN}
    assert codes_told("Why it was not delivered") == set(CODES) | own


def test_every_delivery_state_has_its_row() -> None:
    told = codes_told("A message to the customer")
    names = " ".join(path.read_text() for path in (ROOT / "gateway/store/outbox.py", ROOT / "gateway/journal/sender.py"))
    assert told == {"queued", "sending", "sent", "delivered", "read", "failed", "unknown", "skipped"}
    assert all(f"'{state}'" in names or f'"{state}"' in names for state in told)


def test_every_state_of_sessions_invitations_and_presence_has_its_row() -> None:
    told = codes_told("A session")
    assert told == {*Status, *InvitationStatus, *Presence}


def test_every_state_of_files_and_webhooks_has_its_row() -> None:
    assert codes_told("A customer's file") == {"pending", "ready", "failed"}
    assert codes_told("A raw webhook") == {"waiting", "done", "stuck"} | _outcomes()


def _outcomes() -> set[str]:
    source = (ROOT / "gateway/metrics.py").read_text()
    found = re.search(r"outcome: Literal\[([^\]]+)\]", source)
    assert found
    return set(re.findall(r'"(\w+)"', found[1]))


# ---------------------------------------------------------------------------------------------------- watching


def test_every_series_has_its_row_with_its_labels() -> None:
    text = section(page("operations.md"), "Metrics")
    for family in Metrics().registry.collect():
        assert f"| `{family.name}` |" in text, family.name
    assert {name for name in first_cells(text) if name.startswith("byoc_")} == {f.name for f in Metrics().registry.collect()}


async def test_the_series_that_alarms_ask_for_are_there(tmp_path: Path) -> None:
    """After a message in and out, each series of the page has samples but those that count trouble."""
    alarms = code_blocks(page("operations.md"), "yaml")[0]
    assert len(yaml.safe_load(alarms)["groups"][0]["rules"]) >= 9
    asked = set(re.findall(r"\bbyoc_\w+", alarms))
    async with demo(tmp_path / "data") as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        assert (await kim.says("hello")).status == 201
        session = await ana.take("sms")
        assert (await ana.say(session["id"], "hi")).status == 201
        await wait_until(lambda: kim.seen("message"), what="the answer")

        async def told() -> set[str]:
            body = (await world.call("GET", "/metrics")).body.decode()
            return set(re.findall(r"(?m)^(byoc_\w+)(?:\{| )", body))

        counted = {
            "byoc_webhooks_total",
            "byoc_inbound_total",
            "byoc_sends_total",
            "byoc_api_requests_total",
            "byoc_sessions",
            "byoc_webhook_seconds_count",
        }

        async def all_counted() -> bool:
            return counted <= await told()

        await wait_until(all_counted, what="the counters")
    families = {family.name for family in Metrics().registry.collect()}
    assert {re.sub("_(total|bucket)$", "", name) for name in asked} <= families


def test_every_log_action_has_its_row() -> None:
    told = first_cells(section(page("operations.md"), "Log"))
    sources = [path.read_text() for path in (ROOT / "gateway").rglob("*.py")]
    used = {action for text in sources for action in re.findall(r'"action": "([\w.]+)"', text)}
    used |= {f"outbox.{state}" for state in ("failed", "unknown", "skipped")}
    outages = {subject for text in sources for subject in re.findall(r'Outage\(_log, f?"[^"]+", "(\w+)"\)', text)}
    used |= {f"{subject}.{word}" for subject in outages for word in ("failing", "works")}
    assert used - told == set()
    assert told - used == set()


def test_every_reason_of_a_stuck_webhook_has_its_row() -> None:
    told = first_cells(section(page("operations.md"), "Stuck webhooks"))
    patterns = [re.compile(".+".join(map(re.escape, row.split("…")))) for row in told]
    sources = [path.read_text() for folder in ("adapters", "gateway/journal") for path in (ROOT / folder).rglob("*.py")]
    texts = "\n".join(source for source in sources if "class NotUnderstood" not in source)
    reasons = re.findall(r'NotUnderstood\(\s*f?"((?:[^"\\]|\\.)*)"', texts) + re.findall(
        r'trouble\[\w+(?:\.id)?\] = f"([^"]+)"', texts
    )
    reasons.append(of_another_org("x"))
    assert len(reasons) >= 8
    unplaced = [reason for reason in reasons if not any(p.fullmatch(re.sub(r"\{[^}]*\}", "x", reason)) for p in patterns)]
    assert unplaced == []


# --------------------------------------------------------------------------------------------------- decisions


DECISIONS = sorted(DOCS.glob("decisions/0*.md"))


@pytest.mark.parametrize("file", DECISIONS, ids=lambda file: file.stem)
def test_a_decision_has_context_decision_and_consequences(file: Path) -> None:
    text = file.read_text()
    assert text.startswith(f"# {file.name[:4]} ")
    assert re.findall(r"(?m)^## (.+)$", text) == ["Context", "Decision", "Consequences"]
    assert f"({file.name})" in page("decisions/README.md")


def test_the_changelog_has_an_unreleased_part() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]\n\n### Added\n" in text
