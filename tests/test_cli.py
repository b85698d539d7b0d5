"""`byoc`: every command's help, exit codes, what it prints; the signals and real processes stand in tests/acceptance."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from adapters import registry
from adapters.contract import RawRequest
from adapters.envelope import envelope_schema
from adapters.replies import CODES
from gateway.cli import main
from tests.journal.outpost import at_work, line, outpost, sms
from tests.journal.provider import odd_provider, text
from tests.store.backends import keep
from tests.world import demo, wait_until

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = {
    "demo",
    "serve",
    "check",
    "channels",
    "simulate",
    "simulate salesforce",
    "inbox list",
    "inbox show",
    "inbox replay",
    "inbox export",
    "outbox list",
    "outbox show",
    "outbox replay",
    "envelope-schema",
    "example-config",
}
SOUND = """\
orgs: {acme: {reps: {ana: {name: Ana, tokens: [token-of-ana]}}, queues: {support: {name: Support, reps: [ana]}}}}
channels: {web: {kind: webchat, org: acme, queue: support, account: {secrets: [a-secret-of-this-test-alone]}}}
"""


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words, groups too."""
    for name, command in group.commands.items():
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


COMMANDS = {" ".join(words): command for words, command in commands(main)}


def byoc(*words: str, **how: Any) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="byoc", **how)


def test_the_commands_of_the_contract_are_there() -> None:
    assert set(COMMANDS) >= CONTRACT


@pytest.mark.parametrize("words", ["", *COMMANDS])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_says_what_it_does_and_needs(words: str, option: str) -> None:
    told = byoc(*words.split(), option)
    assert told.exit_code == 0
    assert told.output.startswith(f"Usage: byoc {words}".rstrip())
    command = COMMANDS.get(words, main)
    assert command.help
    assert command.help.split()[0] in told.output
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.opts[0] in told.output


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["inbox"],
        ["inbox", "nonsense"],
        ["demo", "--port"],
        ["demo", "--port", "many"],
        ["demo", "--log-level", "loud"],
        ["demo", "extra"],
        ["serve"],
        ["check"],
        ["simulate"],
        ["inbox", "show"],
        ["inbox", "show", "one"],
        ["inbox", "list", "--limit", "x"],
        ["outbox", "list", "--data", "/nowhere"],
    ],
    ids=" ".join,
)
def test_used_wrongly_is_2(words: list[str]) -> None:
    told = byoc(*words)
    assert told.exit_code == 2
    assert told.stdout == ""
    assert re.search("Usage: byoc|Error: ", told.stderr)


# ----------------------------------------------------------------------------------------------------- check


def test_check_of_a_sound_config(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND)
    told = byoc("check", "--config", str(path))
    assert (told.exit_code, told.stdout) == (0, f"{path}: no fault; 1 channel(s), 1 org(s)\n")


def test_check_takes_its_file_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND)
    assert byoc("check", env={"BYOC_CONFIG": str(path)}).exit_code == 0


def test_check_tells_each_fault_on_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(SOUND.replace("kind: webchat", "kind: webchatt").replace("queue: support", "queue: sales"))
    told = byoc("check", "--config", str(path))
    assert told.exit_code == 1
    assert told.stdout == ""
    assert told.stderr.splitlines() == [
        "2 fault(s) in the config:",
        f"  {path}:2 channels.web.kind: there is no adapter named 'webchatt'. Did you mean `webchat`?",
        f"  {path}:2 channels.web.queue: org 'acme' has no queue 'sales'. Use one of: support.",
    ]


@pytest.mark.parametrize("command", ["check", "serve", "simulate"])
def test_no_config_is_1(command: str) -> None:
    told = byoc(command, "--config", "/nowhere/gateway.yaml")
    assert told.exit_code == 1
    assert "can't be read" in told.stderr


# ------------------------------------------------------------------------------------- channels, schema, example


def test_channels_names_every_adapter() -> None:
    told = byoc("channels")
    assert told.exit_code == 0
    for kind, adapter in registry.load().items():
        assert f"{kind}: {adapter.title}\n" in told.stdout


def test_channels_for_programs() -> None:
    told = json.loads(byoc("channels", "--json").stdout)
    assert set(told) == set(registry.load())
    for kind, adapter in registry.load().items():
        assert told[kind]["title"] == adapter.title
        assert set(told[kind]["outbound"]) == adapter.capabilities.outbound
        wanted = {name for name, field in adapter.account.model_fields.items() if not field.exclude}
        assert wanted <= set(told[kind]["settings"]["properties"])


def test_a_plug_in_that_can_not_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise registry.AdapterFault("the adapter 'pigeon:ADAPTER' can't be imported (x): repair it")

    monkeypatch.setattr(registry, "load", broken)
    told = byoc("channels")
    assert (told.exit_code, told.stderr) == (1, "byoc: the adapter 'pigeon:ADAPTER' can't be imported (x): repair it\n")


def test_envelope_schema() -> None:
    told = byoc("envelope-schema")
    assert told.exit_code == 0
    assert json.loads(told.stdout) == json.loads(json.dumps(envelope_schema()))


def test_example_config_is_a_config(tmp_path: Path) -> None:
    told = byoc("example-config")
    assert told.exit_code == 0
    path = tmp_path / "gateway.yaml"
    path.write_text(told.stdout)
    checked = byoc("check", "--config", str(path))
    assert checked.exit_code == 1  # its variables aren't set here
    assert all("the environment variable" in line for line in checked.stderr.splitlines()[1:])


# ------------------------------------------------------------------------------------------ inbox and outbox


@pytest.mark.parametrize("group", ["inbox", "outbox"])
def test_replay_wants_ids_or_all(group: str, tmp_path: Path) -> None:
    for words in (["--all", "1"], []):
        told = byoc(group, "replay", "--data", str(tmp_path), *words)
        assert told.exit_code == 2
        assert "--all" in told.stderr


@pytest.mark.parametrize("group", ["inbox", "outbox"])
def test_a_folder_without_a_gateway_s_files(group: str, tmp_path: Path) -> None:
    for words in (["list"], ["show", "1"], ["replay", "--all"]):
        told = byoc(group, *words, "--data", str(tmp_path))
        assert told.exit_code == 1, told
        assert isinstance(told.exception, SystemExit), "a sentence, no traceback"
        assert "pass the gateway's data_dir with --data" in told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("group", ["inbox", "outbox"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty: start the gateway on this folder first"), (b"no database" * 99, "file is not a database. Stop")],
)
def test_a_file_that_is_not_a_gateways_is_no_traceback(group: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    for name in ("inbox.db", "sessions.db"):
        (tmp_path / name).write_bytes(content)
    told = byoc(group, "list", "--data", str(tmp_path))
    assert (told.exit_code, sentence in told.stderr) == (1, True), told.output


async def test_what_was_not_understood_is_listed_shown_and_read_again(tmp_path: Path) -> None:
    async with demo(tmp_path / "data") as world:
        account = world.gateway.loaded.channels["line"].account
        body = b'{"broken": '
        secret = account.model_dump()["channel_secrets"][0].get_secret_value()
        signature = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
        taken = await world.call("POST", "/webhooks/line", data=body, headers={"X-Line-Signature": signature})
        assert taken.status == 200
        folder = str(tmp_path / "data")

        def listed() -> list[str]:
            lines = byoc("inbox", "list", env={"BYOC_DATA": folder}).stdout.splitlines()
            return [] if lines[0].startswith("no webhook is stuck") else lines

        (line,) = await wait_until(listed, what="the broken webhook in the list")
        row_id, _at, channel, reason = line.split("  ", 3)
        assert channel == "line"
        assert reason
        shown = json.loads(byoc("inbox", "show", row_id, "--data", folder).stdout)
        assert (shown["state"], shown["body"], shown["attempts"]) == ("stuck", '{"broken": ', 1)
        assert secret not in json.dumps(shown)
        replayed = byoc("inbox", "replay", row_id, "--data", folder)
        assert (replayed.exit_code, replayed.stdout) == (0, "1 webhook(s) queued again\n")

        def read_again() -> bool:
            again = json.loads(byoc("inbox", "show", row_id, "--data", folder).stdout)
            return (again["attempts"], again["state"]) == (2, "stuck")

        await wait_until(read_again, what="the second try")
        assert byoc("inbox", "show", "999", "--data", folder).exit_code == 1
        assert byoc("inbox", "replay", "999", "--data", folder).exit_code == 1


async def test_what_was_not_delivered_is_listed_shown_and_sent_again(tmp_path: Path) -> None:
    """A carrier filters the message out; an operator sends it once more."""
    folder = str(tmp_path / "data")
    async with demo(tmp_path / "data") as world:
        ana, kim = world.rep("ana"), world.customer("sms")
        await ana.present()
        assert (await kim.says("hello")).status == 201
        session = await ana.take("sms")
        await wait_until(lambda: kim.seen("notice"), what="the notice that Ana joined")
        filtered = {"mischief": [{"error": 30007}]}
        assert (await kim.does("say", text="still there?", details=filtered)).status == 201
        assert (await ana.say(session["id"], "are you there?")).status == 201

        def listed() -> list[str]:
            lines = byoc("outbox", "list", "--data", folder).stdout.splitlines()
            return [line for line in lines if "  failed  " in line]

        (line,) = await wait_until(listed, what="the failed message in the list")
        row_id, _at, channel, state, told = line.split("  ", 4)
        assert (channel, state) == ("sms", "failed")
        assert told.startswith("filtered (30007)  ")
        shown = json.loads(byoc("outbox", "show", row_id, "--data", folder).stdout)
        assert shown["message"]["text"].endswith("are you there?")
        assert [one["outcome"] for one in shown["attempts"]] == ["sent", "failed_later"]
        replayed = byoc("outbox", "replay", row_id, "--data", folder)
        assert (replayed.exit_code, replayed.stdout) == (0, "1 message(s) queued again\n")

        async def arrived() -> bool:
            return any(line["text"].endswith("are you there?") for line in await kim.seen("message"))

        await wait_until(arrived, what="the message on the handset")

        def nothing_waits() -> bool:
            return byoc("outbox", "list", "--queued", "--data", folder).stdout == "no message is waiting\n"

        await wait_until(
            nothing_waits, what="the provider's answer, which is written down after the handset has shown the message"
        )
        assert byoc("outbox", "list", "--data", folder).stdout == "no message has failed, is unknown, or was skipped\n"


async def test_what_waits_is_listed_with_since_when_and_its_next_try(tmp_path: Path) -> None:
    """A provider is in trouble: the commands say what waits, and nothing that isn't known."""
    folder = str(tmp_path)
    async with odd_provider() as provider, outpost(tmp_path, {"sms": sms(provider.address)}) as one:
        provider.will(text("slow down", status=429, Retry_After="3600"))
        session_id = await one.conversation("sms")
        for words in ("first", "second"):
            await one.say(session_id, words)
        first, second = [state.outbox_id for state in await one.deliveries(session_id)]
        async with at_work(one.gateway.sender.run()):

            async def refused() -> bool:
                return (await one.deliveries(session_id))[0].code is not None

            await wait_until(refused, what="the first refusal")
        assert byoc("outbox", "list", "--data", folder).stdout == (
            "no message has failed, is unknown, or was skipped; 2 waiting: byoc outbox list --queued\n"
        )
        lines = [line.split("  ") for line in byoc("outbox", "list", "--queued", "--data", folder).stdout.splitlines()]
        (id1, since, channel, state, following, code, reason), (id2, _, _, _, behind) = lines
        assert (id1, channel, state, code) == (first, "sms", "queued", "rate_limited (http_429)")
        assert re.fullmatch(r"since \d{4}-\d\d-\d\dT[\d:]+Z", since)
        assert re.fullmatch(r"next try \d{4}-\d\d-\d\dT[\d:]+Z", following)
        assert reason == CODES["rate_limited"].waits
        assert (id2, behind) == (second, "after earlier messages")
        cut = byoc("outbox", "list", "--queued", "--limit", "1", "--data", folder)
        assert (len(cut.stdout.splitlines()), cut.stderr) == (1, "1 more: use a larger --limit\n")
        shown = json.loads(byoc("outbox", "show", first, "--data", folder).stdout)
        assert shown["attempts"][0]["detail"] == "rate_limited http_429: slow down", "the provider's own words"


async def test_an_inbox_that_is_not_read_yet_is_not_called_understood(tmp_path: Path) -> None:
    async with outpost(tmp_path, {"line": line("http://127.0.0.1:9")}) as one:
        raw = RawRequest("POST", "https://x/webhooks/line", "", (), {}, b"{no json", datetime.now(UTC))
        await keep(one.gateway.inbox, "line", raw)
        assert byoc("inbox", "list", "--data", str(tmp_path)).stdout == "no webhook is stuck; 1 not read yet\n"


# ------------------------------------------------------------------------------------------------ completion


def bash(script: str) -> str:
    here = Path(sys.executable).parent
    ran = subprocess.run(
        ["bash", "--norc", "-c", f'PATH="{here}:$PATH"; {script}'], capture_output=True, text=True, timeout=60, check=True
    )
    return ran.stdout


@pytest.mark.skipif(not Path(sys.executable).with_name("byoc").exists(), reason="`byoc` is not installed beside this Python")
@pytest.mark.parametrize(
    ("words", "expected"),
    [("byoc in", "inbox"), ("byoc inbox re", "replay"), ("byoc demo --lo", "--log-level"), ("byoc envelope", "envelope-schema")],
)
def test_the_shell_completes(words: str, expected: str) -> None:
    """As the help of `byoc` says: `eval "$(_BYOC_COMPLETE=bash_source byoc)"`."""
    count = len(words.split()) - 1
    script = f"""
        eval "$(_BYOC_COMPLETE=bash_source byoc)"
        COMP_WORDS=({words}); COMP_CWORD={count}; COMP_LINE="{words}"; COMP_POINT={len(words)}
        _byoc_completion byoc "{words.split()[-1]}" "{words.split()[-2]}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert bash(script).split() == [expected]
    assert 'eval "$(_BYOC_COMPLETE=bash_source byoc)"' in byoc("--help").output


# -------------------------------------------------------------------------------------------------- run.py


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), ([], 2)])
def test_run_py_says_how_it_is_used_before_it_sets_anything_up(words: list[str], code: int, tmp_path: Path) -> None:
    alone = tmp_path / "run.py"
    alone.write_bytes((ROOT / "run.py").read_bytes())
    ran = subprocess.run([sys.executable, str(alone), *words], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == code
    assert "usage: python3 run.py demo | test" in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["run.py"]
