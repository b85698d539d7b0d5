"""A plug-in of the last release works in this one, unchanged, with a warning; older and newer ones are refused with what to do.

`last_release/telegram` is the package as it was released. It is replaced by a newer copy when `adapters.CONTRACT` grows, and never edited.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import CONTRACT
from adapters.registry import load
from tests.acceptance.processes import Demo
from tests.acceptance.test_every_channel import there_and_back
from tests.kit.installing import byoc, install
from tests.ports import free_port
from tests.world import Outside, outside, wait_until

RELEASED = Path(__file__).parent / "last_release" / "telegram"
DIGEST = "05d85c4312edd4e2e642dc76f7a38cfbf2db78c952ffbfa9f312c8190f619621"
WARNING = f"is written for contract {CONTRACT - 1}, which this is the last release to support (the current one is {CONTRACT})"
CONFIG = """
public_url: http://127.0.0.1:8080
orgs:
  acme: {reps: {ana: {name: Ana}}, queues: {support: {name: Support, reps: [ana]}}}
channels:
  one: &bot
    kind: telegram
    org: acme
    queue: support
    account: {bot_token: "1000:a-token-of-some-length", secret_tokens: [a-secret-of-some-length]}
  two: *bot
"""
MODULE = """
from dataclasses import replace
from byoc_telegram import ADAPTER as RELEASED
ADAPTER = replace(RELEASED, kind="other", contract={contract})
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    place = tmp_path_factory.mktemp("last-release")
    return install(RELEASED, place / "site", place / "copy")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return path


def test_the_copy_is_as_it_was_released() -> None:
    files = sorted(path for path in RELEASED.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    named = b"".join(str(path.relative_to(RELEASED)).encode() + b"\0" + path.read_bytes() + b"\0" for path in files)
    assert hashlib.sha256(named).hexdigest() == DIGEST


def test_our_channels_are_written_for_this_contract() -> None:
    assert {kind: adapter.contract for kind, adapter in load().items() if adapter.contract != CONTRACT} == {}


def test_the_list_of_channels_warns_of_it(target: Path) -> None:
    said = byoc("channels", target=target)
    assert said.count("warning:") == 1
    assert f"telegram: Telegram\n  warning: {WARNING}. Install a newer release of the plug-in" in said


def test_the_config_check_warns_once_however_many_channels_are_of_its_kind(target: Path, config: Path) -> None:
    said = byoc("check", "--config", str(config), target=target)
    assert f"warning: {config}:7 channels.one.kind: 'telegram' {WARNING}. Install a newer release of the plug-in" in said
    assert said.count("is written for contract") == 1


def of_contract(contract: int, target: Path, place: Path) -> Path:
    """Another adapter that says which contract it is for, installed beside."""
    (place / "byoc_other.py").write_text(MODULE.format(contract=contract))
    facts = place / "byoc_other-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: byoc-other\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[byoc.adapters]\nother = byoc_other:ADAPTER\n")
    return place


@pytest.mark.parametrize(
    ("contract", "what_to_do"),
    [
        (CONTRACT - 2, "install a newer release of the plug-in"),
        (CONTRACT + 1, "upgrade byoc-gateway, or install an older release of the plug-in"),
    ],
)
def test_another_contract_is_refused_with_what_to_do(contract: int, what_to_do: str, target: Path, tmp_path: Path) -> None:
    place = of_contract(contract, target, tmp_path)
    said = byoc("channels", target=Path(f"{place}:{target}"), good=False)
    fault = f"'byoc_other:ADAPTER' is written for contract {contract}, and this gateway supports {CONTRACT - 1} and {CONTRACT}"
    assert f"byoc: the adapter {fault}: {what_to_do}\n" in said
    assert "Traceback" not in said


# ------------------------------------------------------------------------------------------------ in a gateway


@pytest.fixture
async def demo(target: Path, tmp_path: Path) -> AsyncIterator[Outside]:
    """`byoc demo` in a process of its own, with the plug-in installed."""
    made = Demo(free_port(), tmp_path / "data")
    process = await made.start(PYTHONPATH=str(target))
    try:
        async with outside(made.address) as world:
            yield world
    finally:
        await process.kill()
    assert made.log.read_text().count(WARNING) == 1


@pytest.mark.acceptance
async def test_text_and_picture_go_there_and_back(demo: Outside) -> None:
    ana = demo.rep("ana")
    await ana.present()
    await there_and_back(demo, ana, demo.customer("telegram"), "telegram")  # type: ignore[arg-type]  # it asks for no more


@pytest.mark.acceptance
async def test_a_refused_message_fails_and_one_that_was_throttled_goes_out_once(demo: Outside) -> None:
    ana, kim = demo.rep("ana"), demo.customer("telegram")
    await ana.present()
    assert (await kim.says("hello")).status == 201
    session = await ana.take("telegram")
    await wait_until(lambda: kim.seen("notice"), what="the join notice")
    troubles = {"mischief": [{"status": 400}, {"status": 429}]}
    assert (await kim.does("say", text="are you there?", details=troubles)).status == 201
    for text in ("this is refused", "this waits"):
        assert (await ana.say(session["id"], text)).status == 201

    async def fates() -> Any:
        entries = await ana.transcript(session["id"])
        found = {entry["text"]: entry["delivery"][0] for entry in entries if entry["text"] and entry["text"].startswith("this")}
        over = len(found) == 2 and all(one["status"] in ("failed", "sent", "unknown") for one in found.values())
        return found if over else None

    found = await wait_until(fates, what="both are over")
    assert (found["this is refused"]["status"], found["this is refused"]["code"]) == ("failed", "refused")
    assert found["this waits"]["status"] == "sent"
    assert [line["text"] for line in await kim.seen("message")] == ["this waits"]
