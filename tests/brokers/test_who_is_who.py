"""Who a customer is, when ids and numbers change: WhatsApp's webhooks through its adapter, on the real broker and a real file.

No message stands in another person's session, no answer goes to an address that its owner gave up, and one person has one conversation.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.contract import RawRequest, Sent
from gateway.journal.contract import Room
from gateway.journal.driver import ChannelPeer
from gateway.session.commands import AcceptWork, End, SayToCustomer
from gateway.session.model import Login, Presence, Role, Session
from tests.brokers.desk import Desk, desk

# Ids and numbers are made up; the names tell whose they are.
X, Y, Z = "ES.30900000000000000001", "ES.30900000000000000002", "ES.30900000000000000009"
P, Q, R = "34600111222", "34600999888", "34600555444"


@dataclass
class WhatsApp:
    """Meta's webhooks for the demo's number, and what we send."""

    desk: Desk
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def tells(self, *items: dict[str, Any], name: str = "messages", ago: float = 0, **more: Any) -> None:
        """One webhook, parsed by the adapter and taken in."""
        channel = self.desk.channel("whatsapp")
        stamp = str(int(self.desk.now.timestamp() - ago))
        whole = [{"id": f"wamid.{next(self._count)}", "timestamp": stamp, **item} for item in items]
        value = {"metadata": {"phone_number_id": self.desk.account("whatsapp").phone_number_id}, name: whole, **more}
        entry = {"id": "2", "changes": [{"field": "messages" if name == "statuses" else name, "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        request = RawRequest("POST", channel.account.webhook_url, "", (), {}, body, self.desk.now)
        events = channel.adapter.parse(request, channel.account)
        assert await self.desk.take_in(*events) == [None] * len(events)

    async def says(self, text: str, *, id: str | None = None, number: str | None = None, ago: float = 0) -> None:
        """A customer's text, with what Meta lets us know of them."""
        who = {**({"from": number} if number else {}), **({"from_user_id": id} if id else {})}
        await self.tells({**who, "type": "text", "text": {"body": text}}, ago=ago)

    async def system(self, kind: str, *, ago: float = 0, who: dict[str, Any] | None = None, **content: Any) -> None:
        """WhatsApp's own words."""
        said = {"type": kind, "body": content.pop("body", "User changed"), **content}
        await self.tells({**(who or {}), "type": "system", "system": said}, ago=ago)

    async def answered_at(self, session_id: str, text: str = "good day") -> dict[str, str]:
        """A rep answers in that session: the address that the adapter's call names."""
        await self.desk.present("ana", status=Presence.online)
        session = await self.session(session_id)
        if session.status.value == "waiting":
            await self.desk.does(AcceptWork(by=Login("ana")), session_id)
        await self.desk.does(SayToCustomer(by=Login("ana"), text=text), session_id)
        return (await self.sent())[-1]

    async def sent(self) -> list[dict[str, str]]:
        """All that waits goes out; where to."""
        channel, found = self.desk.channel("whatsapp"), []
        while items := await self.desk.begun():
            for item in items:
                call = next(ChannelPeer(channel).send(item.message, self.desk.now))
                body = json.loads(call.body)
                found.append({key: body[key] for key in ("to", "recipient") if key in body})
                await self.desk.broker.outbox.settle(item, Sent((f"wamid.ours.{item.id}",)))
        return found

    async def session(self, session_id: str) -> Session:
        return next(session for session in await self.desk.sessions() if session.id == session_id)

    async def only(self) -> Session:
        """The one session that there is."""
        (session,) = await self.desk.sessions()
        return session


async def said(one: Desk, session_id: str) -> list[str | None]:
    """The customer's own words."""
    lines = await one.lines(session_id)
    return [line.entry.text for line in lines if line.entry.sender and line.entry.sender.role is Role.end_user]


# ---------------------------------------------------------------------------------------------------- three small inputs


@pytest.mark.parametrize("first", [{"id": X, "number": P}, {"number": P}], ids=["id_and_number", "number_first"])
@pytest.mark.parametrize(
    "told",
    [
        {"user_id": Y, "previous_user_id": X},
        {"user_id": Y, "previous_user_id": X, "who": {"from_user_id": X}},
        {"user_id": Y, "previous_user_id": X, "who": {"from_user_id": Y}},
        {"previous_user_id": X, "who": {"from_user_id": Y}},
        {"user_id": Y, "who": {"from_user_id": X}},
        {"user_id": Y, "previous_user_id": X, "who": {"from": P, "from_user_id": X}},
        {"body": f"User Ana changed from {X} to {Y}"},
        {"user_id": Y, "body": f"User Ana changed from {X} to {Y}"},
    ],
    ids=lambda told: ",".join([*(key for key in told if key != "who"), *told.get("who", {})]),
)
async def test_a_new_id_told_without_a_number_lets_the_old_number_go(
    first: dict[str, Any], told: dict[str, Any], tmp_path: Path
) -> None:
    """The number was given up with the id, as far as anybody can tell: the next answer goes to the new id."""
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", **first)
        await meta.says("here I am", id=X, number=P)
        one.later(60)
        await meta.system("user_changed_user_id", **told)
        assert await meta.answered_at((await meta.only()).id) == {"recipient": Y}, "already before they write"
        await meta.says("it's me", id=Y)
        session = await meta.only()
        assert await meta.answered_at(session.id) == {"recipient": Y}
        assert session.end_user.id == Y
        assert await said(one, session.id) == ["hello", "here I am", "it's me"]


@pytest.mark.parametrize("told", [{"wa_id": Q}, {"contacts": [{"wa_id": Q, "user_id": Y, "profile": {"name": "Ana"}}]}], ids=repr)
async def test_a_number_told_with_the_new_id_is_where_answers_go(told: dict[str, Any], tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        one.later(60)
        system = {"type": "user_changed_user_id", "user_id": Y, "previous_user_id": X, "body": "changed", **told}
        contacts = system.pop("contacts", [])
        await meta.tells({"type": "system", "system": system}, contacts=contacts)
        assert await meta.answered_at((await meta.only()).id) == {"to": Q}


async def test_the_older_form_of_the_same_news(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        one.later(60)
        await meta.tells({"detail": "User id has been updated", "user_id": {"previous": X, "current": Y}}, name="user_id_update")
        await meta.says("it's me", id=Y)
        assert await meta.answered_at((await meta.only()).id) == {"recipient": Y}


@pytest.mark.parametrize(
    "who", [{"from": P}, {"from": P, "from_user_id": X}, {"from_user_id": X}, {}], ids=lambda who: ",".join(who)
)
@pytest.mark.parametrize("content", [{"wa_id": Q}, {"wa_id": Q, "user_id": Y}, {}], ids=lambda content: ",".join(content))
async def test_who_takes_over_a_number_is_another_person(who: dict[str, Any], content: dict[str, Any], tmp_path: Path) -> None:
    """Kim (X, P) moves to Q; then Z writes from P."""
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("Kim here", id=X, number=P)
        kim = (await meta.only()).id
        one.later(60)
        await meta.system("user_changed_number", who=who, body=f"User Kim changed from {P} to {Q}", **content)
        one.later(60)
        await meta.says("Zoe here", id=Z, number=P)
        zoe = next(session.id for session in await one.sessions() if session.id != kim)
        assert await one.texts(zoe) == ["Zoe here"]
        assert "Zoe here" not in await one.texts(kim)
        assert await meta.answered_at(zoe) == {"to": P}
        assert await meta.answered_at(kim) == {"to": Q}


@pytest.mark.parametrize("first", [{"id": X, "number": P}, {"number": P}], ids=["id_and_number", "number_first"])
async def test_two_ids_are_two_people_though_nobody_told_of_a_change(first: dict[str, Any], tmp_path: Path) -> None:
    """The number belongs to whoever used it last; its former owner is answered at the id."""
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("Kim here", **first)
        await meta.says("Kim again", id=X, number=P)
        kim = (await meta.only()).id
        one.later(60)
        await meta.says("Zoe here", id=Z, number=P)
        zoe = next(session.id for session in await one.sessions() if session.id != kim)
        assert [await one.texts(kim), await one.texts(zoe)] == [["Kim here", "Kim again"], ["Zoe here"]]
        assert await meta.answered_at(kim) == {"recipient": X}
        assert await meta.answered_at(zoe) == {"to": P}
        assert (await meta.session(kim)).end_user.id == X
        await meta.says("whose is this?", number=P)
        assert (await one.texts(zoe))[-1] == "whose is this?"


# ----------------------------------------------------------------------------------------------- what comes late, and what waits


async def test_what_was_said_before_the_change_and_comes_after_it_takes_nothing_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        one.later(600)
        await meta.system("user_changed_user_id", user_id=Y, previous_user_id=X, wa_id=Q)
        await meta.says("sent before", id=X, number=P, ago=300)
        await meta.says("sent before too", number=P, ago=300)
        status = {"status": "delivered", "recipient_id": P, "recipient_user_id": X}
        await meta.tells(status, name="statuses")
        session = await meta.only()
        assert await said(one, session.id) == ["hello", "sent before", "sent before too"]
        assert await meta.answered_at(session.id) in ({"to": Q}, {"recipient": Y})


async def test_an_answer_that_waits_goes_where_the_person_is_when_it_goes(tmp_path: Path) -> None:
    """Also when the gateway died in between, and when the first try was under way during the change."""
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        session = await meta.only()
        await one.present("ana", status=Presence.online)
        await one.does(AcceptWork(by=Login("ana")), session.id)
        await one.does(SayToCustomer(by=Login("ana"), text="one"), session.id)
        await one.does(SayToCustomer(by=Login("ana"), text="two"), session.id)
        (under_way,) = await one.begun()
        one.later(5)
        await meta.system("user_changed_user_id", user_id=Y, previous_user_id=X)
        assert (await one.broker.outbox.look({one.channel_id: Room(9, [under_way.id])})).items == [], (
            "one at a time, whatever the address"
        )
        await one.broker.outbox.settle(under_way, Sent(("wamid.ours.1",), remember={"wa_id": P}))
        await one.restart()
        went = await meta.sent()
        assert went
        assert all(where == {"recipient": Y} for where in went)
        assert set(await one.states(session.id)) == {"sent"}
        assert await one.rows("SELECT address FROM conversations") == [(Y,)], (
            "what the send told went to the person, not to the address"
        )


async def test_a_turn_that_waited_while_the_person_changed_is_not_called_out(tmp_path: Path) -> None:
    """Read before the change, called after it: the call doesn't begin, and the next turn knows the new address."""
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        await one.present("ana", status=Presence.online)
        await one.does(AcceptWork(by=Login("ana")), (await meta.only()).id)
        (before,) = (await one.broker.outbox.look({one.channel_id: Room(9)})).items
        one.later(5)
        await meta.says("Zoe here", id=Z, number=P)
        assert not await one.broker.outbox.begin(before)
        (after,) = (await one.broker.outbox.look({one.channel_id: Room(9)})).items
        assert (after.id, after.message.to, after.message.aliases) == (before.id, X, ())
        assert await one.broker.outbox.begin(after)


async def test_an_id_that_wrote_before_its_change_was_told_is_one_conversation_from_then_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        one.later(60)
        await meta.says("new phone", id=Y, number=Q)
        await meta.system("user_changed_user_id", user_id=Y, previous_user_id=X, wa_id=Q, ago=30)
        assert {session.end_user.id for session in await one.sessions()} == {Y}
        for session in await one.sessions():
            assert await meta.answered_at(session.id) == {"to": Q}


async def test_a_customer_known_by_number_alone_keeps_the_conversation_when_an_id_comes(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("by number", number=P)
        await meta.says("by both", id=X, number=P)
        await meta.says("by id", id=X)
        assert await one.texts((await meta.only()).id) == ["by number", "by both", "by id"]


async def test_a_status_tells_the_id_of_a_customer_known_by_number_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("by number", number=P)
        one.later(1)
        await meta.tells({"status": "delivered", "recipient_id": P, "recipient_user_id": X}, name="statuses")
        await meta.says("by id", id=X)
        assert await one.texts((await meta.only()).id) == ["by number", "by id"]


async def test_who_has_lost_the_only_address_is_sent_nothing(tmp_path: Path) -> None:
    """Somebody known by a number alone; another whom we know moves to it. What we write to the first must not reach the second."""
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("by number", number=P)
        lost = (await meta.only()).id
        await meta.says("Zoe here", id=Z, number=R)
        one.later(60)
        await meta.system("user_changed_number", who={"from": R, "from_user_id": Z}, wa_id=P)
        with pytest.raises(Exception, match="recipient_unreachable"):
            await meta.answered_at(lost)


@pytest.mark.parametrize(
    ("one_way", "other_way"),
    [("5511987654321", "551187654321"), ("5215511112222", "525511112222"), ("5491122223333", "541122223333")],
)
async def test_both_spellings_of_a_mobile_number_are_one_person(one_way: str, other_way: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        for text, number in (("a", one_way), ("b", other_way), ("c", one_way)):
            await meta.says(text, number=number)
            one.later(5)
        session = await meta.only()
        assert await one.texts(session.id) == ["a", "b", "c"]
        assert await meta.answered_at(session.id) == {"to": one_way}, "as WhatsApp gave it last, never as we spell it"


async def test_ended_sessions_follow_their_person_and_keep_their_place_in_the_list(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        meta = WhatsApp(one)
        await meta.says("hello", id=X, number=P)
        session = await meta.only()
        await meta.answered_at(session.id)
        await one.does(End(by=Login("ana")), session.id)
        before = await one.rows("SELECT last_activity FROM sessions")
        one.later(3_600)
        await meta.system("user_changed_user_id", user_id=Y, previous_user_id=X)
        assert (await meta.only()).end_user.id == Y
        assert await one.rows("SELECT last_activity FROM sessions") == before


# ------------------------------------------------------------------------------------------------------- the same through Twilio


async def through_twilio(one: Desk, channel_id: str, sid: int, **fields: str) -> None:
    """A text by Twilio's webhook."""
    channel = one.channel(channel_id)
    known = {"MessageSid": f"SM{sid:032x}", "To": one.account(channel_id).number}
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": str(sid)}
    body = urlencode({**known, **fields}).encode()
    request = RawRequest("POST", channel.account.webhook_url, "", (), headers, body, one.now)
    await one.take_in(*channel.adapter.parse(request, channel.account))


async def test_two_ids_that_share_a_number_are_two_people_through_twilio_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        tell = partial(through_twilio, one, "whatsapp-twilio")
        await tell(1, Body="Kim here", From=f"whatsapp:+{P}", ExternalUserId=f"whatsapp:{X}")
        one.later(60)
        await tell(2, Body="Zoe here", From=f"+{P}", ExternalUserId=Z)
        await tell(3, Body="Kim again", From=f"whatsapp:{X}")
        texts = {session.end_user.id: await one.texts(session.id) for session in await one.sessions()}
        assert texts == {f"whatsapp:{X}": ["Kim here", "Kim again"], f"whatsapp:+{P}": ["Zoe here"]}


@pytest.mark.parametrize("channel_id", ["sms", "whatsapp-twilio"])
async def test_both_spellings_of_a_brazilian_number_are_one_session(channel_id: str, tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        for sid, number in enumerate(("+5511987654321", "+551187654321", "+5511987654321"), start=1):
            await through_twilio(one, channel_id, sid, Body=str(sid), From=number)
            one.later(5)
        (session,) = await one.sessions()
        assert await one.texts(session.id) == ["1", "2", "3"]
        assert session.end_user.id.endswith("+5511987654321")


# --------------------------------------------------------------------------------------------------------- whatever the order


@dataclass
class Person:
    """What is so, apart from what Meta lets us know of it."""

    name: str
    id: str
    number: str
    known: bool = False  # they have written with both, so that the two are known to be one person
    number_told: bool = True  # no change of id without a number since


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["both", "id", "number", "id_changes", "number_changes", "both_change", "late"]),
        st.integers(0, 2),
        st.integers(0, 5),
        st.booleans(),
    ),
    min_size=4,
    max_size=24,
)


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(steps=STEPS, pace=st.sampled_from([0, 1, 30]))
def test_three_people_whatever_the_order(tmp_path_factory: pytest.TempPathFactory, steps: list[Any], pace: int) -> None:
    asyncio.run(_three_people(tmp_path_factory.mktemp("three"), steps, pace))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=200, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(steps=STEPS, pace=st.sampled_from([0, 1, 30]))
def test_three_people_in_many_orders(tmp_path_factory: pytest.TempPathFactory, steps: list[Any], pace: int) -> None:
    asyncio.run(_three_people(tmp_path_factory.mktemp("three"), steps, pace))


async def _three_people(data_dir: Path, steps: list[Any], pace: int) -> None:
    ids = (f"ES.{n:020d}" for n in itertools.count(1))
    numbers = [f"3460000000{n}" for n in range(6)]
    async with desk(data_dir) as one:
        meta = WhatsApp(one)
        people = [Person(name, next(ids), numbers[n]) for n, name in enumerate(("kim", "lee", "max"))]
        former: dict[str, tuple[str, str]] = {}
        for count, (kind, index, spot, flag) in enumerate(steps):
            one.later(pace)
            who = people[index]
            text = f"{who.name} {count}"
            free = [number for number in numbers if all(number != other.number for other in people)]
            if kind == "both" or not who.known:
                await meta.says(text, id=who.id, number=who.number)
                who.known = who.number_told = True
            elif kind == "id" or (kind == "number" and not who.number_told):
                await meta.says(text, id=who.id)
            elif kind == "number":
                await meta.says(text, number=who.number)
            elif kind == "late" and who.name in former and pace:
                old_id, old_number = former[who.name]
                await meta.says(text, id=old_id, number=old_number, ago=3_600)
            elif kind == "id_changes":
                former[who.name] = who.id, who.number
                old, who.id, who.number, who.number_told = who.id, next(ids), free[spot % len(free)], False
                content = (
                    {"user_id": who.id, "previous_user_id": old} if flag else {"body": f"User changed from {old} to {who.id}"}
                )
                await meta.system("user_changed_user_id", **content)
            elif kind == "number_changes":
                former[who.name] = who.id, who.number
                old, who.number = who.number, free[spot % len(free)]
                sender = {"from_user_id": who.id, **({"from": old} if flag else {})}
                await meta.system("user_changed_number", who=sender, wa_id=who.number)
                who.number_told = True
            elif kind == "both_change":
                former[who.name] = who.id, who.number
                old, old_number, who.id, who.number = who.id, who.number, next(ids), free[spot % len(free)]
                sender = {"from": old_number} if flag and who.number_told else {"from_user_id": old}
                await meta.system("user_changed_number", who=sender, wa_id=who.number, user_id=who.id)
                who.number_told = True
        await _all_is_well(one, meta, people)


async def _all_is_well(one: Desk, meta: WhatsApp, people: list[Person]) -> None:
    owners: list[str] = []
    for session in await one.sessions():
        names = {text.split()[0] for text in await said(one, session.id) if text}
        assert len(names) == 1, f"words of {names} in one session"
        owner = next(person for person in people if person.name in names)
        owners.append(owner.name)
        where = await meta.answered_at(session.id, f"{owner.name} answered")
        assert where in ({"to": owner.number}, {"recipient": owner.id}), f"{owner} was answered at {where}"
    assert len(owners) == len(set(owners)), f"more than one conversation for one person: {owners}"
