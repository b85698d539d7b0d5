"""An id in the config that isn't the provider's hides every customer of the channel: it is logged once, counted, listed, and read again after the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapters.contract import RawRequest
from gateway import config
from gateway.app import Gateway
from gateway.cli import main
from gateway.clock import now
from tests.adapters.instagram import account as instagram
from tests.adapters.line.account import ACCOUNT as LINE
from tests.adapters.line.suite import sign as sign_line
from tests.adapters.messenger import account as messenger
from tests.adapters.whatsapp import account as whatsapp
from tests.journal.outpost import at_work
from tests.world import wait_until


def whatsapp_says(text: str) -> RawRequest:
    message = {"from": "34600111222", "id": f"wamid.{text}", "timestamp": "1789640000", "type": "text", "text": {"body": text}}
    return whatsapp.request(whatsapp.messages(message))


def messenger_says(text: str) -> RawRequest:
    event = {"sender": {"id": messenger.KIM}, "recipient": {"id": messenger.PAGE}, "timestamp": 1789640000000}
    return messenger.request(messenger.events({**event, "message": {"mid": f"m_{text}", "text": text}}))


def instagram_says(text: str) -> RawRequest:
    event = {"sender": {"id": instagram.KIM}, "recipient": {"id": instagram.ACCOUNT}, "timestamp": 1789640000000}
    return instagram.request(instagram.events({**event, "message": {"mid": f"m_{text}", "text": text}}))


def line_says(text: str) -> RawRequest:
    event = {
        "type": "message",
        "webhookEventId": f"event of {text}",
        "timestamp": 1_789_640_000_000,
        "source": {"type": "user", "userId": "U" + "1" * 32},
        "deliveryContext": {"isRedelivery": False},
        "message": {"type": "text", "id": f"id of {text}", "text": text},
    }
    body = json.dumps({"destination": "U" + "9" * 32, "events": [event]}).encode()
    return sign_line(RawRequest("POST", LINE.webhook_url, "", (), {}, body, now()), LINE)


META: dict[str, Any] = {
    "app_secrets": ["app_secret_of_x_0"],
    "verify_token": "verify-me-and-nobody-else",
    "access_token": "a-token-of-some-length",
    "app_id": messenger.APP,
}
CASES: dict[str, tuple[Callable[[str], RawRequest], dict[str, Any], str, str]] = {
    # what comes in, the account but for the id, the id's setting, and the right id
    "whatsapp": (whatsapp_says, {key: META[key] for key in META if key != "app_id"}, "phone_number_id", "107000000000002"),
    "messenger": (messenger_says, META, "page_id", messenger.PAGE),
    "instagram": (instagram_says, {**META, "page_id": instagram.PAGE}, "instagram_id", instagram.ACCOUNT),
    "line": (
        line_says,
        {"channel_secrets": ["secret"], "access_tokens": ["a-token-of-some-length"]},
        "bot_user_id",
        "U" + "9" * 32,
    ),
}


def gateway(data_dir: Path, kind: str, own_id: str) -> Gateway:
    _, account, setting, _ = CASES[kind]
    if kind == "line":
        account = {**account, "channel_secrets": [LINE.channel_secrets[0].get_secret_value()]}
    channel = {"kind": kind, "org": "acme", "queue": "support", "account": {**account, setting: own_id}}
    org = {"reps": {"ana": {"name": "Ana"}}, "queues": {"support": {"name": "Support", "reps": ["ana"]}}}
    return Gateway(config.build({"data_dir": str(data_dir), "orgs": {"acme": org}, "channels": {kind: channel}}))


class Reading:
    """A gateway that reads its inbox."""

    def __init__(self, one: Gateway) -> None:
        self.one = one

    async def __aenter__(self) -> Reading:
        await self.one.inbox.open()
        await self.one.broker.open()
        self._work = at_work(self.one.receiver.run())
        await self._work.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._work.__aexit__(None, None, None)
        await self.one.driver.close()
        await self.one.inbox.close()
        await self.one.broker.close()

    async def all_read(self) -> bool:
        return not (await self.one.inbox.read(lambda rows: rows.counts())).waiting

    async def heard(self) -> list[str]:
        rows = await self.one.store.readers.run(
            lambda c: c.execute("SELECT body FROM entries ORDER BY session_id, number").fetchall()
        )
        return [entry["text"] for row in rows if (entry := json.loads(row["body"]))["kind"] == "message"]


def byoc(*words: str) -> list[str]:
    told = CliRunner().invoke(main, [*words])
    assert told.exit_code == 0, told.output
    return told.stdout.splitlines()


@pytest.mark.parametrize("kind", CASES)
async def test_a_mistyped_id_is_reported_and_its_customers_are_heard_after_the_fix(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    says, _, _, right = CASES[kind]
    wrong = right[:-1] + ("1" if right[-1] != "1" else "2")
    async with Reading(gateway(tmp_path, kind, wrong)) as reading:
        for text in ("hello", "anybody there?"):
            answer = await reading.one.webhooks.accept(kind, replace(says(text), received_at=now()))
            assert answer.status == 200
        await wait_until(reading.all_read)
        assert await reading.heard() == []
        (logged,) = [vars(record) for record in caplog.records if getattr(record, "action", "") == "inbox.misdirected"]
        assert (logged["channel"], logged["meant_for"]) == (kind, right), "once, though it came twice"
        assert f'byoc_misdirected_total{{channel="{kind}"}} 2.0' in (await reading.one.metrics.text()).decode()
        rows = byoc("inbox", "list", "--unknown", "--data", str(tmp_path))
        assert [(row.split("  ")[2], row.split("  ")[3]) for row in rows] == [(kind, f"unknown: {logged['reason']}")] * 2
        assert byoc("inbox", "list", "--data", str(tmp_path)) == [
            "no webhook is stuck; 2 kept as unknown: byoc inbox list --unknown"
        ]
    assert byoc("inbox", "replay", "--all", "--unknown", "--data", str(tmp_path)) == ["2 webhook(s) queued again"]
    async with Reading(gateway(tmp_path, kind, right)) as reading:
        await wait_until(reading.all_read)
        assert await reading.heard() == ["hello", "anybody there?"]
        assert byoc("inbox", "list", "--unknown", "--data", str(tmp_path)) == ["no webhook was kept as unknown"]


async def test_the_series_of_a_channel_begins_at_zero_so_that_an_alarm_sees_the_first_event(tmp_path: Path) -> None:
    one = gateway(tmp_path, "whatsapp", "1")
    assert 'byoc_misdirected_total{channel="whatsapp"} 0.0' in (await one.metrics.text()).decode()
    await one.driver.close()


async def test_one_of_the_rows_can_be_named(tmp_path: Path) -> None:
    async with Reading(gateway(tmp_path, "whatsapp", "1")) as reading:
        await reading.one.webhooks.accept("whatsapp", replace(whatsapp_says("hello"), received_at=now()))
        await wait_until(reading.all_read)
    (row,) = byoc("inbox", "list", "--unknown", "--data", str(tmp_path))
    assert byoc("inbox", "replay", row.split("  ")[0], "--data", str(tmp_path)) == ["1 webhook(s) queued again"]
    async with Reading(gateway(tmp_path, "whatsapp", "107000000000002")) as reading:
        await wait_until(reading.all_read)
        assert await reading.heard() == ["hello"]
