"""WhatsApp judged by others' code: pywa reads what our simulator posts, and its client works against our simulator.

What pywa makes of a webhook is what we make of it; what pywa sends is what we send.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pywa import handlers
from pywa.client import WhatsApp as Judge
from pywa.errors import WhatsAppError
from pywa.utils import webhook_updates_validator

from adapters.conformance import PICTURE, World
from adapters.contract import HttpCall, RawRequest
from adapters.envelope import MediaPart, OutboundFile
from adapters.simulation import Action, ProviderCall
from adapters.whatsapp.outbound import send
from tests.adapters.outgoing import play
from tests.adapters.whatsapp.account import FIXTURES, NOW, TOKEN, account, say
from tests.adapters.whatsapp.suite import SUITE
from tests.adapters.whatsapp.test_send import OK, UPLOADED

KINDS = [
    handlers.MessageHandler,
    handlers.MessageStatusHandler,
    handlers.CallbackButtonHandler,
    handlers.CallbackSelectionHandler,
    handlers.FlowCompletionHandler,
    handlers.EditedMessageHandler,
    handlers.DeletedMessageHandler,
    handlers.OutgoingMessageHandler,
    handlers.PhoneNumberChangeHandler,
    handlers.UserMarketingPreferencesHandler,
    handlers.CallPermissionUpdateHandler,
    handlers.CallConnectHandler,
    handlers.CallTerminateHandler,
]


class Court:
    """pywa, joined to our simulator: it gets each webhook, and its client's calls are answered."""

    def __init__(self) -> None:
        self.world = World(SUITE)
        self.asked: list[httpx.Request] = []
        self.seen: list[Any] = []
        self.judge = Judge(
            phone_id=account().phone_number_id,
            token=TOKEN,
            session=httpx.Client(transport=httpx.MockTransport(self._answer)),
            api_version=25.0,
            skip_duplicate_updates=False,
            validate_updates=False,
        )
        for kind in KINDS:
            self.judge.add_handlers(kind(self._see))

    def _see(self, _: Judge, update: Any) -> None:
        self.seen.append(update)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        pairs = tuple(request.url.params.multi_items())
        raw = RawRequest(
            request.method, str(request.url), request.url.path, pairs, dict(request.headers), request.read(), self.world.now
        )
        outcome = self.world.simulator.handle(raw, self.world.now)
        self.world.settle(outcome.calls)
        self.calls = outcome.calls
        return httpx.Response(outcome.answer.status, headers=dict(outcome.answer.headers), content=outcome.answer.body)

    def reads(self, *calls: ProviderCall) -> list[Any]:
        """What pywa makes of these webhooks; each must pass its signature check."""
        self.seen.clear()
        for call in calls:
            secret = account().app_secrets[0].get_secret_value()
            signature = call.headers["x-hub-signature-256"]
            assert webhook_updates_validator(app_secret=secret, request_body=call.body, x_hub_signature=signature)
            assert self.judge.webhook_update_handler(call.body) == ("ok", 200)
        return list(self.seen)

    def hears(self, action: Action) -> tuple[Any, Any]:
        """The last that a customer's action led to, as pywa and as we read it."""
        calls = self.world.act(action)
        return self.reads(*calls)[-1], [event for call in calls for event in self.world.understood(call)][-1]


@pytest.fixture
def court(caplog: pytest.LogCaptureFixture) -> Iterator[Court]:
    """A court that has heard a first message; pywa's complaints are failures."""
    caplog.set_level(logging.WARNING, logger="pywa")
    court = Court()
    court.world.says_text("hello")
    yield court
    assert not [one.getMessage() for one in caplog.records if one.name.startswith("pywa") and one.levelno >= logging.ERROR]


def test_a_text(court: Court) -> None:
    theirs, ours = court.hears(Action(kind="say", customer="kim", text="Hola 👋 / café"))
    assert (theirs.id, theirs.text, theirs.type) == (ours.message_id, "Hola 👋 / café", "text")
    assert (theirs.from_user.bsuid, theirs.from_user.wa_id) == (ours.end_user.address, ours.end_user.aliases[0])
    assert (theirs.from_user.name, theirs.timestamp) == (ours.end_user.name, ours.provider_time)


@pytest.mark.parametrize("how", ["omit", "empty"])
def test_a_customer_without_a_number(court: Court, how: str) -> None:
    theirs, ours = court.hears(Action(kind="say", customer="kim", text="Hola", details={"phone": how}))
    assert (theirs.from_user.bsuid, theirs.from_user.wa_id or None) == (ours.end_user.address, None)


def test_a_picture_that_pywa_downloads(court: Court) -> None:
    theirs, ours = court.hears(Action(kind="say", customer="kim", text="look", file=PICTURE))
    (part,) = ours.parts
    assert isinstance(part, MediaPart)
    assert (theirs.image.id, theirs.image.mime_type, theirs.caption) == (part.source["id"], "image/png", part.caption)
    assert court.judge.get_media_url(theirs.image.id).id == theirs.image.id
    assert theirs.image.get_bytes() == PICTURE.content


def test_a_place_a_card_and_a_sticker(court: Court) -> None:
    place, ours = court.hears(
        Action(kind="location", customer="kim", details={"latitude": 40.41, "longitude": -3.7, "name": "Shop"})
    )
    assert (place.location.latitude, place.location.longitude, place.location.name) == (40.41, -3.7, ours.parts[0].name)
    card, ours = court.hears(Action(kind="contact", customer="kim", details={"name": "Leo Paz", "phone_number": "+34 600"}))
    assert (card.contacts[0].name.formatted_name, card.contacts[0].phones[0].phone) == (
        ours.parts[0].name,
        ours.parts[0].phones[0],
    )
    sticker, ours = court.hears(Action(kind="sticker", customer="kim"))
    assert sticker.sticker.id == ours.parts[0].provider_id


def test_reactions_edits_and_deletions(court: Court) -> None:
    mine = court.world.handset()[0].id
    reaction, ours = court.hears(Action(kind="react", customer="kim", target=mine, text="👍"))
    assert (reaction.reaction.message_id, reaction.reaction.emoji) == (ours.message_id, ours.emoji)
    edit, ours = court.hears(Action(kind="edit", customer="kim", target=mine, text="hullo"))
    assert (type(edit).__name__, ours.kind, ours.message_id) == ("EditedMessage", "edit", mine)
    deletion, ours = court.hears(Action(kind="unsend", customer="kim", target=mine))
    assert (type(deletion).__name__, ours.kind, ours.message_id) == ("DeletedMessage", "deletion", mine)


def test_choices(court: Court) -> None:
    button, ours = court.hears(Action(kind="choose", customer="kim", details={"id": "yes", "title": "Yes"}))
    assert (button.data, button.title) == (ours.parts[0].id, ours.parts[0].title)
    row, ours = court.hears(Action(kind="choose", customer="kim", details={"id": "r2", "title": "Blue", "form": "list_reply"}))
    assert (row.data, row.title) == (ours.parts[0].id, ours.parts[0].title)
    flow, ours = court.hears(
        Action(kind="choose", customer="kim", details={"id": "t-1", "title": "Sent", "form": "flow", "fields": {"size": "M"}})
    )
    assert (flow.token, flow.response["size"]) == (ours.parts[0].id, ours.parts[0].fields["size"])


def test_a_reply_a_forward_and_an_ad(court: Court) -> None:
    court.world.hears_text("how can I help?")
    target = court.world.handset()[-1].id
    referral = {"source_url": "https://fb.me/1", "source_id": "120", "source_type": "ad", "headline": "Sale", "ctwa_clid": "AR"}
    action = Action(kind="say", customer="kim", text="this", target=target, details={"forwarded": True, "referral": referral})
    theirs, ours = court.hears(action)
    assert (theirs.reply_to_message.id, theirs.forwarded) == (ours.reply_to, True)
    assert theirs.referral.source_id == ours.referral.id
    assert (theirs.referral.headline, theirs.referral.ctwa_clid) == (ours.referral.headline, ours.referral.click_id)


def test_what_staff_write_and_marketing_choices(court: Court) -> None:
    echo, ours = court.hears(Action(kind="say", customer="kim", text="We close at six", details={"staff": True}))
    assert (type(echo).__name__, echo.text, echo.id) == ("OutgoingMessage", ours.plain, ours.message_id)
    changed, _ = court.hears(Action(kind="say", customer="kim", details={"event": "changed_number"}))
    assert type(changed).__name__ == "PhoneNumberChange"


def test_statuses_carry_our_id(court: Court) -> None:
    court.world.address = court.world.says_text("hi").end_user.address
    sent = court.judge.send_message(court.world.address, "from pywa", tracker="msg_7")
    statuses = court.reads(*court.calls)
    assert [(one.id, str(one.status), one.tracker) for one in statuses] == [(sent.id, s, "msg_7") for s in ("sent", "delivered")]
    assert court.world.handset()[-1].text == "from pywa"
    (read,) = court.reads(*court.world.act(Action(kind="read", customer="kim")))
    assert str(read.status) == "read"


def test_failures_carry_their_code(court: Court) -> None:
    court.world.act(Action(kind="block", customer="kim"))
    court.judge.send_message(court.world.address, "from pywa")
    (call,) = court.calls
    body = json.loads(call.body)
    # pywa 4.5.0 asks for the block that Meta leaves out of failures.
    body["entry"][0]["changes"][0]["value"]["contacts"] = [{"profile": {"name": "Kim"}, "wa_id": "34600111222"}]
    court.seen.clear()
    court.judge.webhook_update_handler(json.dumps(body).encode())
    (status,) = court.seen
    assert (str(status.status), status.error.code) == ("failed", 131026)


@pytest.mark.parametrize(
    "mischief", [{"code": 130429}, {"code": 131056}, {"status": 503}, {"code": 131047}, {"code": 190, "status": 401}]
)
def test_refusals_are_understood(court: Court, mischief: dict[str, Any]) -> None:
    court.world.act(Action(kind="read", customer="kim", details={"mischief": [mischief]}))
    with pytest.raises(WhatsAppError) as refused:
        court.judge.send_message(court.world.address, "from pywa")
    assert refused.value.code == mischief.get("code", 2)


def test_pywa_sends_a_picture_types_and_reads(court: Court) -> None:
    court.judge.send_image(court.world.address, PICTURE.content, caption="look", mime_type="image/png")
    line = court.world.handset()[-1]
    assert (line.text, (line.media or {})["mime_type"]) == ("look", "image/png")
    mine = court.world.handset()[0].id
    assert court.judge.indicate_typing(mine)
    assert court.judge.mark_message_as_read(mine)


# -------------------------------------------------------------------------------------- what they send, we send


def _ours(call: HttpCall) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(call.body)
    return loaded


def _theirs(request: httpx.Request) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(request.content)
    return loaded


def _without_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """`preview_url` false is what a missing one means."""
    text = {key: value for key, value in body.get("text", {}).items() if (key, value) != ("preview_url", False)}
    return {**body, "text": text} if text else body


def test_our_text_is_pywa_s_text(court: Court) -> None:
    court.judge.send_message(
        court.world.address, "see https://ex.test", preview_url=True, tracker="msg_1", reply_to_message_id="wamid.IN"
    )
    message = say("see https://ex.test", to=court.world.address, memory={}, reply_to="wamid.IN")
    (call,), _ = play(send(message, account(), NOW), OK)
    assert _ours(call) == _without_defaults(_theirs(court.asked[-1]))
    assert (call.method, call.url) == ("POST", str(court.asked[-1].url))
    assert call.headers["authorization"] == court.asked[-1].headers["authorization"]


def test_our_picture_is_pywa_s_picture(court: Court) -> None:
    court.judge.send_image(court.world.address, PICTURE.content, caption="look", mime_type="image/png", tracker="msg_1")
    upload, theirs = court.asked[-2:]
    file = OutboundFile(name=PICTURE.name, mime_type="image/png", size_bytes=70, url="https://x.test", content=PICTURE.content)
    (ours, call), _ = play(send(say("look", to=court.world.address, memory={}, file=file), account(), NOW), UPLOADED, OK)
    assert (ours.method, ours.url) == (upload.method, str(upload.url))
    for name in (*ours.fields, "file"):
        assert f'name="{name}"'.encode() in upload.content
    expected = _theirs(theirs)
    assert {**_ours(call), "image": {"caption": "look"}} == {**expected, "image": {"caption": expected["image"]["caption"]}}


# ------------------------------------------------------------------------------------------- recorded payloads

WHOLE = sorted(path.name for path in FIXTURES.glob("*.body") if path.stat().st_size and b"messages" in path.read_bytes()[:400])
# What pywa 4.5.0 gives up on, and we don't.
BEYOND = {
    "failed_without_errors.body": "it asks for `contacts` in failures too",
    "contacts.body": "one card has a number but no `phone`",
    "order.body": "one item has no price",
    "edit_as_unsupported.body": "the error has a title alone",
    "image_without_url.body": "older than `sha256` and `url`",
    "media_that_meta_could_not_fetch.body": "there is no file in it",
    "voice_as_type.body": "older than `voice` within audio",
    "unknown_type.body": "a type of the future",
    "phone_alone.body": "older than business-scoped ids",
    "user_id_changed.body": "the number is not told",
    "time_in_milliseconds_and_nonsense.body": "a time that is none",
}


@pytest.mark.parametrize("name", WHOLE)
def test_pywa_takes_our_recorded_payloads(name: str, caplog: pytest.LogCaptureFixture) -> None:
    Court().judge.webhook_update_handler((FIXTURES / name).read_bytes())
    complaints = [one for one in caplog.records if one.name.startswith("pywa") and one.levelno >= logging.ERROR]
    assert bool(complaints) == (name in BEYOND), BEYOND.get(name)


def test_an_order_and_a_question_about_a_product(court: Court) -> None:
    items = [{"product_retailer_id": "LAMP-17", "quantity": 2, "item_price": 40, "currency": "USD"}]
    order = {"catalog_id": "35416", "text": "a gift", "product_items": items}
    theirs, ours = court.hears(Action(kind="say", customer="kim", details={"order": order}))
    (line,), part = theirs.order.products, ours.parts[0]
    assert (theirs.order.catalog_id, theirs.order.text) == (part.catalog_id, part.note)
    assert (line.sku, str(line.quantity), line.currency) == (
        part.items[0].retailer_id,
        part.items[0].quantity,
        part.items[0].currency,
    )
    product = {"catalog_id": "35416", "product_retailer_id": "LAMP-17"}
    theirs, ours = court.hears(Action(kind="say", customer="kim", text="in red?", details={"product": product}))
    asked = theirs.reply_to_message.referred_product
    assert (asked.sku, asked.catalog_id) == (ours.referral.product.id, ours.referral.product.catalog_id)


def test_whether_we_may_call_and_a_call_that_was_missed(court: Court) -> None:
    allow = {"form": "call_permission", "id": "accept", "title": "Allow", "expires": 1789640000}
    theirs, ours = court.hears(Action(kind="choose", customer="kim", details=allow))
    assert (type(theirs).__name__, theirs.response.value) == ("CallPermissionUpdate", ours.parts[0].id)
    assert f"{theirs.expiration_timestamp:%Y-%m-%d %H:%M}" in ours.plain
    theirs, ours = court.hears(Action(kind="say", customer="kim", details={"event": "missed_call"}))
    assert (type(theirs).__name__, theirs.id, theirs.direction.value) == ("CallTerminate", ours.message_id, "USER_INITIATED")
    assert theirs.duration is None
