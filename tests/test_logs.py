"""Logs: one JSON object a line, ids instead of words; no secret, and nothing that a customer or a rep said, at any level."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

from adapters.contract import Account
from gateway import logs
from gateway.config import GatewayConfig, OrgConfig, RepConfig
from tests.world import CHANNELS, PNG, demo, wait_until

SECRET = 'canary "quoted" 5ecret/+ä'


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def line_of(secrets: list[str], message: str, *arguments: Any, **extra: Any) -> dict[str, Any]:
    """What the formatter makes of a record."""
    record = logging.LogRecord("gateway.x", logging.WARNING, __file__, 1, message, arguments, None)
    vars(record).update(extra)
    line = logs.JsonLines(secrets).format(record)
    assert "\n" not in line
    return dict(json.loads(line))


def test_a_line_is_json_with_its_extras() -> None:
    line = line_of([], "webhook refused: %s", "bad", action="webhook.refused", channel="sms", path=Path("/x"))
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "gateway.x",
        "message": "webhook refused: bad",
        "action": "webhook.refused",
        "channel": "sms",
        "path": "/x",
    }


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="").replace("%20", "+"),
        base64.b64encode(SECRET.encode()).decode(),
        repr({"token": SECRET}),
        json.dumps({"token": SECRET}, ensure_ascii=False),
    ],
)
def test_a_secret_is_masked_however_it_is_written(form: str) -> None:
    line = line_of([SECRET], "called with %s", form, url=f"https://x/?token={form}")
    for told in (line["message"], line["url"]):
        assert "5ecret" not in told
        assert "NWVjcmV0" not in told  # a piece of its base64
        assert "•••" in told


def test_a_private_key_is_masked_line_by_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----"
    assert "MIIEvQ" not in line_of([key], "key: %s", key)["message"]
    assert "BKcwggSj" not in line_of([key], "the second line is BKcwggSjAgEAAoIBAQC7")["message"]


def test_a_secret_in_a_traceback_is_masked() -> None:
    try:
        raise ValueError(f"no such token: {SECRET}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = json.loads(logs.JsonLines([SECRET]).format(record))
    assert "ValueError: no such token: •••" in line["traceback"]


def test_a_short_secret_does_not_garble_the_log() -> None:
    assert line_of(["abc"], "abc and more")["message"] == "abc and more"


def test_every_secret_of_the_settings_is_found_however_deep() -> None:
    class Deep(Account):
        token: SecretStr
        several: tuple[SecretStr, ...]
        named: dict[str, SecretStr]

    account = Deep(token=SecretStr("one"), several=(SecretStr("two"), SecretStr("three")), named={"a": SecretStr("four")})
    rep = RepConfig(name="Ana", tokens=(SecretStr("five"),))
    config = GatewayConfig(media_secret=SecretStr("six"), orgs={"acme": OrgConfig(reps={"ana": rep})})  # type: ignore[dict-item]
    assert logs.secrets_of(account, config) == {"one", "two", "three", "four", "five", "six"}


def test_set_up_holds_down_who_logs_urls(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug", [SECRET])
    logging.getLogger("httpx").info("HTTP Request: GET https://x/?token=anything")
    logging.getLogger("gateway.x").debug("by %s", SECRET)
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client:
        client.get("https://x/?token=anything")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["logger"], line["message"]) for line in lines] == [("gateway.x", "by •••")]


async def test_no_secret_and_no_words_in_the_log_of_a_busy_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without masking, at debug level: what isn't logged needs no mask."""
    logs.set_up("debug")
    words = Words()
    async with demo(tmp_path / "data") as world:
        loaded = world.gateway.loaded
        secrets = logs.secrets_of(loaded.config, *(channel.account for channel in loaded.channels.values()))
        await _a_busy_day(world, words)
    told = capsys.readouterr().err
    records = [json.loads(line) for line in told.splitlines()]
    assert {"webhook.refused", "outbox.failed"} <= {record.get("action") for record in records}, "the log was listened to"
    assert len(secrets) > 10
    assert [secret for secret in secrets if secret in told] == []
    assert len(words.said) > 12
    assert [text for text in words.said if text in told] == []
    assert [record for record in records if record["level"] == "error"] == []


class Words:
    """Texts that stand nowhere else."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def new(self) -> str:
        self.said.append(f"canary-words-{len(self.said):03d}")
        return self.said[-1]


async def _a_busy_day(world: Any, words: Words) -> None:
    ana, sam = world.rep("ana"), world.rep("sam")
    await ana.present()
    session: Any = None
    for channel in CHANNELS:
        kim = world.customer(channel)
        if session is not None:
            assert (await ana.post(f"/sessions/{session['id']}/end")).status == 200
        assert (await kim.says(words.new())).status == 201
        session = await ana.take(channel)
        assert (await kim.says(words.new(), file=PNG)).status == 201
        assert (await ana.say(session["id"], words.new())).status == 201
        assert (await ana.say(session["id"], words.new(), file=PNG)).status == 201
        await wait_until(partial(_shows, kim, words.said[-2]), what=f"the answer on {channel}")
    await _trouble(world, ana, session, words)
    assert (await ana.post(f"/sessions/{session['id']}/flag", {"text": words.new()})).status == 201
    assert (await sam.post(f"/sessions/{session['id']}/whispers", {"text": words.new()})).status == 201
    assert (await ana.post(f"/sessions/{session['id']}/end")).status == 200


async def _trouble(world: Any, ana: Any, session: Any, words: Words) -> None:
    """What is refused, broken or not delivered."""
    for channel in CHANNELS:
        below = "/message" if channel == "apple" else ""
        forged = await world.call(
            "POST", f"/webhooks/{channel}{below}", data=words.new(), headers={"X-Line-Signature": words.new()}
        )
        assert forged.status in (401, 403)
    wrong = world.rep("ana", words.new())
    assert (await wrong.get(f"/sessions?q={words.new()}")).status == 401
    assert (await ana.post(f"/sessions/{session['id']}/messages", {"txet": words.new()})).status == 422
    kim = world.customer("sms", "lou")
    assert (await kim.does("say", text=words.new())).status == 201
    refused = await ana.take("sms")
    await wait_until(lambda: kim.seen("notice"), what="the notice that Ana joined")
    mischief = {"mischief": [{"status": 400}]}
    assert (await kim.does("say", text=words.new(), details=mischief)).status == 201
    assert (await ana.say(refused["id"], words.new())).status == 201

    async def failed() -> bool:
        entries = await ana.transcript(refused["id"])
        return any(one["status"] == "failed" for entry in entries for one in entry.get("delivery") or [])

    await wait_until(failed, what="a failed message")


async def _shows(kim: Any, text: str) -> bool:
    return any(text in (line["text"] or "") for line in await kim.seen("message"))
