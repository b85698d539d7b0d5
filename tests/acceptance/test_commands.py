"""The command line as users meet it: exit codes, faults told, signals, replays."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.processes import BYOC, Process, byoc, demo_process, run, start
from tests.ports import free_port
from tests.world import outside, wait_until

pytestmark = pytest.mark.acceptance
Tell = Callable[[str], None]

FIVE_FAULTS = """\
public_url: https://chat.example.com
lisen: {port: 9000}
orgs:
  acme:
    settings: {conference_limit: many}
    reps:
      ana: {name: Ana, tokens: [secret-1-of-some-length]}
    queues:
      support: {name: Support, reps: [ana, bob]}
channels:
  sms:
    kind: smms
    org: acme
    queue: support
  line:
    kind: line
    org: acme
    queue: suport
    account: {channel_secrets: [a-secret-of-some-length], access_tokens: [a-token-of-some-length]}
"""


async def test_check_tells_every_fault_at_once_with_its_place_and_its_mend(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(FIVE_FAULTS)
    done = await byoc("check", "--config", str(path))
    assert done.code == 1
    told = done.err.splitlines()
    expected = {
        f"{path}:2 lisen": "Did you mean `listen`?",
        f"{path}:5 orgs.acme.settings.conference_limit": "Write a whole number.",
        f"{path}:9 orgs.acme.queues.support.reps": "Use one of: ana.",
        f"{path}:12 channels.sms.kind": "Did you mean `sms`?",
        f"{path}:18 channels.line.queue": "Use one of: support.",
    }
    assert told[0].startswith(f"{len(expected)} fault")
    for place, fix in expected.items():
        assert any(line.strip().startswith(place + ":") and line.endswith(fix) for line in told), (place, told)
    assert len(told) == 1 + len(expected)
    assert "secret-1" not in done.err


async def test_serve_starts_on_no_faulty_config(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(FIVE_FAULTS)
    done = await byoc("serve", "--config", str(path))
    assert done.code == 1
    assert done.err.startswith("5 fault")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["channels"], 0),
        (["envelope-schema"], 0),
        (["demo", "--help"], 0),
        (["inbox", "replay", "--help"], 0),
        ([], 2),
        (["nonsense"], 2),
        (["serve"], 2),
        (["demo", "--port", "many"], 2),
        (["inbox", "show", "one"], 2),
        (["check", "--config", "/nowhere/gateway.yaml"], 1),
    ],
)
async def test_exit_codes(arguments: list[str], code: int) -> None:
    done = await byoc(*arguments)
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert done.out if code == 0 else done.err


async def test_operators_commands_on_an_empty_world(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    async with demo_process(Path(folder)):
        for group, nothing in (
            ("inbox", "no webhook is stuck\n"),
            ("outbox", "no message has failed, is unknown, or was skipped\n"),
        ):
            listed = await byoc(group, "list", "--data", folder)
            assert (listed.code, listed.out) == (0, nothing)
            assert (await byoc(group, "show", "1", "--data", folder)).code == 1
            assert (await byoc(group, "replay", "1", "--data", folder)).code == 1
            assert (await byoc(group, "replay", "--data", folder)).code == 2
    missing = await byoc("inbox", "list", "--data", str(tmp_path))
    assert missing.code == 1
    assert "--data" in missing.err


async def test_a_second_gateway_on_the_same_port_or_folder_says_what_to_do(tmp_path: Path) -> None:
    async with demo_process(tmp_path / "data") as demo:
        same_port = await byoc("demo", "--port", str(demo.port), "--data", str(tmp_path / "other"))
        assert (same_port.code, "--port" in same_port.err) == (1, True)
        same_folder = await byoc("demo", "--port", str(free_port()), "--data", str(demo.data_dir))
        assert same_folder.code == 1
        assert "another gateway" in same_folder.err
        async with outside(demo.address) as world:  # and the first goes on
            assert (await world.call("GET", "/readyz")).status == 200


# ------------------------------------------------------------------------------------------- start and stop


async def test_start_to_ready_is_told(tmp_path: Path, tell: Tell) -> None:
    """At most 3 s on a machine with nothing else to do; told, not asserted, since this one may be busy."""
    async with demo_process(tmp_path / "data") as demo:
        first = demo.now
        assert await first.terminate() == 0
        await demo.start()
        tell(f"first start to ready: {first.started_in:.2f} s, second: {demo.now.started_in:.2f} s")
        assert await demo.now.terminate() == 0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tell(f"processor time of both, start to exit: {used.ru_utime + used.ru_stime:.2f} s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_finishes_what_is_in_hand_and_exits_0(number: signal.Signals, tmp_path: Path) -> None:
    async with demo_process(tmp_path / "data") as demo, outside(demo.address) as world:
        ana = world.rep("ana")
        await ana.present()
        kim = world.customer("sms")
        assert (await kim.says("hello")).status == 201
        session = await ana.take("sms")
        said = await asyncio.gather(*(ana.say(session["id"], f"answer {n}") for n in range(20)))
        assert [reply.status for reply in said] == [201] * 20
        begun = time.monotonic()
        os.kill(demo.now.pid, number)
        assert await demo.now.exit_code() == 0
        assert time.monotonic() - begun < 25  # the grace time is 20 s
        await demo.start()
        numbers = [f"answer {n}" for n in range(20)]

        async def all_shown() -> bool:
            return len(await kim.seen("message")) >= 20

        await wait_until(all_shown, what="the answers on the handset")
        shown = [line["text"].removeprefix("Ana: ") for line in await kim.seen("message")]
        assert sorted(shown) == sorted(numbers), "each once"
    assert "Traceback" not in demo.log.read_text()


async def test_a_stop_ends_while_streams_are_open(tmp_path: Path) -> None:
    async with demo_process(tmp_path / "data") as demo, outside(demo.address) as world:
        headers = {"Authorization": "Bearer demo-ana"}
        async with (
            world.http.ws_connect(f"{demo.address}/api/v1/events", headers=headers) as socket,
            world.http.get(f"{demo.address}/phones/stream") as stream,
        ):
            await socket.receive()
            await stream.content.readline()
            begun = time.monotonic()
            assert await demo.now.terminate() == 0
            assert time.monotonic() - begun < 15, "nobody was waited for"
    assert "Traceback" not in demo.log.read_text()


async def test_after_a_stop_nothing_needs_repair(tmp_path: Path) -> None:
    """The files are closed whole: SQLite has folded its logs in."""
    async with demo_process(tmp_path / "data") as demo, outside(demo.address) as world:
        assert (await world.customer("line").says("hello")).status == 201
        assert await demo.now.terminate() == 0
        for file in sorted(demo.data_dir.glob("*.db")):
            assert not file.with_name(file.name + "-wal").exists(), file
            connection = sqlite3.connect(file)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.close()


# ------------------------------------------------------------------------------------------ replay after a fix

BRITTLE = """\
from dataclasses import replace
from adapters.errors import NotUnderstood
from adapters.sms import ADAPTER as SMS

def parse(request, account):
    raise {error}

ADAPTER = replace(SMS, kind="brittle", title="A plug-in", parse={parse})
"""
CONFIG = """\
public_url: http://127.0.0.1:{port}
listen: {{port: {port}}}
data_dir: {data_dir}
orgs:
  acme:
    reps: {{ana: {{name: Ana, tokens: [token-ana]}}}}
    queues: {{support: {{name: Support, reps: [ana]}}}}
channels:
  odd:
    kind: brittle
    org: acme
    queue: support
    account: {{account_sid: AC00000000000000000000000000000001, auth_tokens: [a-secret-of-some-length], number: "+15550001111",
               api_base: "http://127.0.0.1:9"}}
"""


class PlugIn:
    """A distribution of somebody else's, with a fault in its parser."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        info = folder / "brittle-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brittle\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[byoc.adapters]\nbrittle = brittle:ADAPTER\n")

    def write(self, error: str, parse: str) -> None:
        (self._folder / "brittle.py").write_text(BRITTLE.format(error=error, parse=parse))

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.parametrize("error", ["NotUnderstood('no such form')", "ZeroDivisionError()"])
async def test_what_could_not_be_read_is_read_after_the_fix(error: str, tmp_path: Path) -> None:
    plug_in = PlugIn(tmp_path / "site")
    plug_in.write(error, "parse")
    port, config, data = free_port(), tmp_path / "gateway.yaml", tmp_path / "data"
    config.write_text(CONFIG.format(port=port, data_dir=data))

    async def serve() -> Process:
        command = (*BYOC, "serve", "--config", str(config))
        return await start(*command, ready="/webhooks/odd", log=tmp_path / "log", environment=plug_in.environment)

    gateway = await serve()
    try:
        async with outside(f"http://127.0.0.1:{port}") as world:
            form = {"From": "+15557654321", "To": "+15550001111", "Body": "hello", "MessageSid": "SM" + "1" * 32}
            signature = signed_by_twilio("a-secret-of-some-length", f"http://127.0.0.1:{port}/webhooks/odd", form)
            taken = await world.call("POST", "/webhooks/odd", data=form, headers={"X-Twilio-Signature": signature})
            assert taken.status in (200, 204), taken

            async def listed() -> list[str]:
                return re.findall(r"^(\d+)  \S+  odd  \S.*$", (await byoc("inbox", "list", "--data", str(data))).out, re.M)

            (row_id,) = await wait_until(listed, what="it waits in `byoc inbox list`")
            assert await gateway.terminate() == 0
            plug_in.write(error, "SMS.parse")
            gateway = await serve()
            replayed = await byoc("inbox", "replay", row_id, "--data", str(data))
            assert (replayed.code, replayed.out) == (0, "1 webhook(s) queued again\n")
            ana = world.rep("ana", "token-ana")
            await ana.present()
            session = await ana.take("odd")
            assert (await ana.transcript(session["id"]))[0]["text"] == "hello"
            assert await listed() == []
    finally:
        await gateway.kill()


def signed_by_twilio(token: str, url: str, form: dict[str, str]) -> str:
    """By Twilio's own library."""
    from twilio.request_validator import RequestValidator

    signature: str = RequestValidator(token).compute_signature(url, form)
    return signature


async def test_a_plug_in_is_listed_among_the_channels(tmp_path: Path) -> None:
    plug_in = PlugIn(tmp_path)
    plug_in.write("ValueError()", "SMS.parse")
    listed = await run(*BYOC, "channels", environment=plug_in.environment)
    assert listed.code == 0
    assert "brittle: A plug-in" in listed.out
    plug_in.write("ValueError()", "nonsense")
    broken = await run(*BYOC, "channels", environment=plug_in.environment)
    assert broken.code == 1
    assert "brittle" in broken.err
