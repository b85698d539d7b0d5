"""What of our own values reaches a rep, and what never does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from adapters.envelope import (
    CallPart,
    ChannelId,
    LocationPart,
    MediaPart,
    MediaState,
    OrderItem,
    OrderPart,
    Part,
    ProductPart,
    StickerPart,
    TextPart,
)
from adapters.referral import Referral
from gateway.brokers.contract import Caller, Event, Line
from gateway.edge.api.entry_shapes import entry_of
from gateway.edge.api.event_shapes import event_of
from gateway.edge.api.shapes import Shape, invitation_of, rfc3339, session_of
from gateway.session.model import (
    Actor,
    ChannelFacts,
    DeliveryState,
    Entry,
    EntryKind,
    Flag,
    HeldNotice,
    Invitation,
    InvitationId,
    Login,
    Offer,
    OrgSettings,
    Purpose,
    Queue,
    Recipient,
    RecipientType,
    Rep,
    Role,
    Session,
    SessionEndUser,
    SessionId,
    Status,
    Visibility,
)

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANA, BEN = (Caller(login=Login(login), org="acme", name=login.title()) for login in ("ana", "ben"))
SAM = Caller(login=Login("sam"), org="acme", name="Sam", supervisor=True)
INVITATION = Invitation(
    id=InvitationId("inv_1"),
    purpose=Purpose.invite,
    recipient=Recipient(type=RecipientType.queue, id="support"),
    inviter=Login("ana"),
    created_at=AT,
    expires_at=AT,
    asked=(Login("ben"), Login("cleo")),
    declined=(Login("cleo"), Login("ben")),
)
SESSION = Session(
    id=SessionId("ses_1"),
    org="acme",
    channel_id=ChannelId("sms"),
    channel_type="sms",
    end_user=SessionEndUser(id="+15550001111", name="Kim"),
    status=Status.active,
    opened_at=AT,
    flags=(Flag(raised_by=Login("ana"), text="flag-canary", raised_at=AT),),
    offer=Offer(rep=Login("ben"), queue="support", offered_at=AT, expires_at=AT),
    invitations=(INVITATION,),
    held_notices=(HeldNotice(rep=Login("cleo"), name="held-canary", due_at=AT),),
)


@dataclass
class Known:
    """The directory of a small org."""

    of_org: OrgSettings = field(default_factory=OrgSettings)

    def caller_of(self, token: str, now: datetime) -> Caller | None:
        return None

    def rep(self, org: str, login: str) -> Rep | None:
        return Rep(login=Login(login), org=org, name=login.title())

    def queue(self, org: str, id: str) -> Queue | None:
        return Queue(id=id, org=org, name=id.title(), reps=())

    def channel(self, org: str, id: str) -> ChannelFacts | None:
        return ChannelFacts(id=ChannelId(id), kind="sms", title="SMS", org=org, chat=False)

    def settings(self, org: str) -> OrgSettings:
        return self.of_org


def told(shape: Shape) -> Any:
    return json.loads(shape.model_dump_json(by_alias=True))


def entry(*parts: Part, **more: Any) -> Entry:
    sender = Actor(role=Role.end_user, id="+1", name="Kim")
    return Entry(
        number=1, kind=EntryKind.message, visibility=Visibility.everyone, at=AT, sender=sender, text="words", parts=parts, **more
    )


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (AT, "2026-11-23T12:00:00Z"),
        (AT.astimezone(timezone(timedelta(hours=9))), "2026-11-23T12:00:00Z"),
        (AT.replace(microsecond=1500), "2026-11-23T12:00:00.001500Z"),
    ],
)
def test_times_are_utc_with_z(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


@pytest.mark.parametrize(
    ("caller", "open_to_reps", "shown"), [(ANA, False, True), (SAM, False, True), (BEN, False, False), (BEN, True, True)]
)
def test_M4_the_flag_is_for_supervisors_and_who_raised_it(caller: Caller, open_to_reps: bool, shown: bool) -> None:
    session = told(session_of(SESSION, caller, Known(OrgSettings(flags_visible_to_reps=open_to_reps))))
    assert (session["flag"] is not None) == shown
    assert ("flag-canary" in str(session)) == shown


@pytest.mark.parametrize(("caller", "shown"), [(ANA, False), (BEN, True), (SAM, True)])
def test_an_offer_is_for_the_rep_who_has_it_and_for_supervisors(caller: Caller, shown: bool) -> None:
    assert (told(session_of(SESSION, caller, Known()))["offer"] is not None) == shown


@pytest.mark.parametrize(("caller", "declined"), [(ANA, ["cleo", "ben"]), (BEN, ["ben"]), (SAM, ["cleo", "ben"])])
def test_C8_who_declined_is_told_to_the_inviter(caller: Caller, declined: list[str]) -> None:
    shape = told(invitation_of(INVITATION, caller, Known()))
    assert (shape["from"], shape["declined"]) == ("ana", declined)


def test_what_only_the_rules_need_stays_inside() -> None:
    session = told(session_of(SESSION, SAM, Known()))
    assert "held-canary" not in str(session)
    assert not {"org", "absent", "passed", "held_notices", "last_reps", "been_in", "closed_invitations"} & set(session)


def test_how_a_file_is_fetched_from_the_provider_stays_inside() -> None:
    picture = MediaPart(media="image", source={"key": "source-canary"}, media_id="med_1", caption="hinge")
    sticker = StickerPart(text="ok", provider_id="sticker-canary", media=picture)
    shape = told(entry_of(entry(picture, sticker)))
    assert "canary" not in str(shape)
    assert [part["type"] for part in shape["parts"]] == ["media", "sticker"]
    assert shape["parts"][1]["media"]["media_id"] == "med_1"


def test_a_file_is_shown_as_it_stands_now() -> None:
    part = MediaPart(media="image", state=MediaState.pending, media_id="med_1", name="a.png")
    now: dict[str, JsonValue] = {
        "state": "ready",
        "url": "/media/med_1/a.png?s=1",
        "mime_type": "image/png",
        "size_bytes": 0,
        "name": None,
        "reason": None,
    }
    (shown,) = told(entry_of(Line(entry=entry(part), media={"med_1": now})))["parts"]
    assert (shown["state"], shown["url"], shown["mime_type"], shown["size_bytes"], shown["name"]) == (
        "ready",
        "/media/med_1/a.png?s=1",
        "image/png",
        0,
        "a.png",
    )


def test_a_deleted_line_says_nothing_of_what_it_said() -> None:
    ad = Referral(source="ad", headline="words of an ad")
    line = Line(entry=entry(TextPart(text="words"), referral=ad), deleted=True)
    shape = told(entry_of(line))
    assert (shape["text"], shape["parts"], shape["referral"], shape["deleted"]) == (None, [], None, True)
    assert "words" not in str(shape)


def test_what_the_customer_came_by_is_typed_and_bounded() -> None:
    ad = Referral(source="ad", id="120208", headline="<b>20 %", url="javascript:alert(1)", extra={"media_type": "image"})
    shape = told(entry_of(entry(TextPart(text="words"), referral=ad)))["referral"]
    assert (shape["source"], shape["id"], shape["headline"], shape["url"]) == ("ad", "120208", "<b>20 %", None)
    assert shape["extra"] == {"media_type": "image"}
    assert told(entry_of(entry(TextPart(text="words"))))["referral"] is None


def test_products_orders_and_calls_are_parts_of_their_own() -> None:
    lamp = ProductPart(title="Desk lamp", price="$40", retailer_id="LAMP-17")
    order = OrderPart(items=(OrderItem(retailer_id="LAMP-17", quantity="2", price="40", currency="USD"),), note="a gift")
    shown = told(entry_of(entry(lamp, order, CallPart())))["parts"]
    assert [part["type"] for part in shown] == ["product", "order", "call"]
    assert (shown[0]["price"], shown[1]["items"][0]["quantity"], shown[1]["note"]) == ("$40", "2", "a gift")


def test_parts_without_secrets_are_the_envelopes_own() -> None:
    place = LocationPart(latitude=53.5, longitude=9.9)
    assert told(entry_of(entry(place)))["parts"] == [
        {"type": "location", "latitude": 53.5, "longitude": 9.9, "name": None, "address": None}
    ]


def test_an_event_shows_the_apis_shapes_whether_its_values_are_stored_or_live() -> None:
    line = Line(entry=entry(TextPart(text="hello")))
    delivery = DeliveryState(outbox_id="o1", status="sent", at=AT)
    live: dict[str, Any] = {"entry": line, "session": SESSION, "delivery": (delivery,), "expires_at": AT, "number": 1}
    stored = {
        "entry": line.model_dump(mode="json"),
        "session": SESSION.model_dump(mode="json"),
        "delivery": [delivery.model_dump(mode="json")],
        "expires_at": "2026-11-23T13:00:00+01:00",
        "number": 1,
    }
    frames = [told(event_of(_event(data), BEN, Known())) for data in (live, stored)]
    assert frames[0] == frames[1]
    data = frames[0]["data"]
    assert data["entry"]["from"]["name"] == "Kim"
    assert data["session"]["flag"] is None
    assert data["expires_at"] == "2026-11-23T12:00:00Z"
    assert data["delivery"][0]["at"] == "2026-11-23T12:00:00Z"


def test_a_value_that_no_shape_knows_is_a_fault_not_a_leak() -> None:
    class Inner(BaseModel):
        secret: str = "canary"

    with pytest.raises(TypeError, match="Inner"):
        event_of(_event({"thing": Inner()}), ANA, Known())


def _event(data: dict[str, Any]) -> Event:
    return Event(number=1, type="x", session_id=SessionId("ses_1"), at=AT, data=data)
