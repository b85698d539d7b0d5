"""docs/adapter-reference.md says what the code says, and all of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters import contract, forms, replies, signing, standard_webhooks
from adapters.conformance.subject import Subject
from adapters.contract import HttpReply
from adapters.envelope import Address, ChannelId, Notice, Say
from adapters.errors import SendFailed, Verdict
from gateway.describing import adapter_reference as reference
from gateway.describing.adapter_reference import INBOUND, OUTBOUND, PAGE, PARTS

TEXT = PAGE.read_text("utf-8")
NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
CLASSES = [
    contract.Adapter,
    contract.Capabilities,
    contract.FileRule,
    contract.RawRequest,
    contract.Answer,
    contract.HttpCall,
    contract.FormFile,
    contract.HttpReply,
    contract.Sent,
    contract.Fetched,
    replies.Meaning,
    *PARTS,
    *INBOUND,
    *OUTBOUND,
]


def part(name: str) -> str:
    """What the page says under the heading of a class or module."""
    assert f"### `{name}`\n" in TEXT, name
    return re.split(r"\n##", TEXT.split(f"### `{name}`\n", 1)[1])[0]


def test_the_page_is_true() -> None:
    assert reference.page(reference.habits_of(TEXT)) == TEXT, "renew it: python -m gateway.describing.adapter_reference"


@pytest.mark.parametrize("found", CLASSES, ids=lambda one: one.__name__)
def test_every_field_has_its_row_with_a_type_and_a_meaning(found: type) -> None:
    rows = {
        cells[0].strip(" `"): cells[1:]
        for line in part(found.__name__).splitlines()
        if len(cells := re.split(r" \| ", line.strip("| "))) >= 3
    }
    own = [name for name in vars(found).get("__annotations__", {}) if name not in ("type", "kind") or found is contract.Adapter]
    silent = [name for name in own if name not in rows or len(rows[name]) < 3 or not rows[name][-1].strip()]
    named = [name for name in silent if f"`{name}`" in part(found.__name__).partition("| field |")[0]]
    assert sorted(set(silent) - set(named)) == []


@pytest.mark.parametrize("module", [signing, standard_webhooks], ids=lambda one: one.__name__)
def test_every_signing_helper_is_explained(module: Any) -> None:
    told = part(module.__name__)
    for name, one in reference.functions(module).items():
        assert f"| `{name}(" in told
        assert (one.__doc__ or "").strip(), name


def test_every_code_and_every_status_is_in_the_reply_tables() -> None:
    table = TEXT.split("### Codes\n")[1].split("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(replies.CODES)
    by_status = TEXT.split("### By status\n")[1].split("\n### ")[0]
    for status, verdict, code in re.findall(r"^\| (\d+) \| (\w+) \| `(\w+)`", by_status, re.MULTILINE):
        meaning = replies.meaning_of_status(int(status))
        assert (verdict, code) == (str(meaning.verdict), meaning.code)


def test_every_verdict_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", part("Verdict"), re.MULTILINE) == [str(verdict) for verdict in Verdict]


def test_every_field_of_a_suite_is_explained() -> None:
    told = TEXT.split("## The conformance kit\n")[1]
    assert [name for name in Subject.__dataclass_fields__ if f"`{name}" not in told and name not in ("adapter", "fixtures")] == []


def test_types_of_settings_are_named() -> None:
    told = TEXT.split("## Settings\n")[1].split("\n## ")[0]
    assert [name for name in reference.setting_types() if f"`{name}`" not in told] == []
    assert set(reference.setting_types()) <= set(vars(forms))


# --------------------------------------------------------------------------------------------- the examples run


def example(title: str) -> dict[str, Any]:
    """The names that the example under a heading defines."""
    code = re.search(r"```python\n(.*?)```", TEXT.split(f"### {title}\n")[1], re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102 - our own page
    return names


@pytest.mark.parametrize(
    ("body", "verdict", "code"),
    [
        (b'{"status": "failed", "error": "USER_BLOCKED"}', Verdict.dead, "blocked"),
        (b'{"status": "failed", "error": "TOO_FAST"}', Verdict.again, "rate_limited"),
        (b'{"status": "failed", "error": "NEW"}', Verdict.dead, "refused"),
        (b"<html>", Verdict.unknown, "no_answer"),
        (b"{}", Verdict.unknown, "no_answer"),
    ],
)
def test_a_200_that_is_no_success(body: bytes, verdict: Verdict, code: str) -> None:
    with pytest.raises(SendFailed) as caught:
        example("HTTP 200 with a status in the body")["result"](HttpReply(200, {}, body), NOW)
    assert (caught.value.verdict, caught.value.code) == (verdict, code)


def test_a_200_that_is_a_success() -> None:
    read = example("HTTP 200 with a status in the body")["result"](HttpReply(200, {}, b'{"status": "ok", "id": "m1"}'), NOW)
    assert read["id"] == "m1"


def test_a_notice_is_told_by_its_id() -> None:
    names = example("A provider that shows no difference between notice and text")
    common: dict[str, Any] = {
        "channel_id": ChannelId("x"),
        "to": Address("kim"),
        "retry_key": "k",
        "created_at": NOW,
        "text": "Ana joined",
    }
    for message, kind in ((Notice(id="ntc_1", code="joined", **common), "notice"), (Say(id="msg_1", **common), "message")):
        assert names["line_kind"](names["body"](message)["reference"]) == kind
