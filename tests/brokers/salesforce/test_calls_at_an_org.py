"""Our calls at a strict org, and its events read: by the driver, over sockets, with tokens that it checks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.contract import Sent
from adapters.envelope import MediaPart, MediaState, OutboundFile, TextPart
from adapters.errors import SendFailed, Verdict
from adapters.sms import ADAPTER
from gateway import clock
from gateway.brokers.salesforce import calls, capabilities, formats, history, parsing
from gateway.brokers.salesforce.codes import OrgFault
from gateway.brokers.salesforce.events import (
    AnyOrgEvent,
    Choice,
    FileSettled,
    PeopleChanged,
    RepSaid,
    RoutingAsked,
    StatusChanged,
)
from gateway.brokers.salesforce.simulator.contract import Chosen, OrgChannel, Text, Upload
from gateway.brokers.salesforce.simulator.faults import Faults
from gateway.brokers.salesforce.simulator.instance import Instance
from gateway.brokers.salesforce.simulator.partner_values import RepFacts, Wish
from gateway.brokers.salesforce.simulator.plain_org import PlainOrg
from gateway.brokers.salesforce.simulator.records import set_up
from gateway.brokers.salesforce.simulator.rest import Rest
from gateway.brokers.salesforce.simulator.token import App, Grants, IssuedTokens, User
from gateway.brokers.salesforce.tokens import Tokens
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.journal.driver import Driver
from gateway.session.model import Actor, Entry, EntryKind, Role, Visibility
from gateway.store.contract import Call
from tests.brokers.salesforce.keys import key_pair
from tests.brokers.salesforce.mapped import ADDRESS, CUSTOMER, LANE, a_call, an_event, an_org, tokens_of

PARTNER_ADDRESS = ADDRESS.replace("b1c7", "b1c8")
MESSAGING = SalesforceChannel(org="main", address=ADDRESS, definition="Acme_Sms")
PARTNER = SalesforceChannel(
    org="main", address=PARTNER_ADDRESS, definition="Acme_Uk", product="ccaas", routing="partner", consent="partner"
)
USERNAME, CONSUMER = "gateway@acme.example", "consumer"
ANA, BEN = "005000000000001", "005000000000002"
QUEUE = "00G000000000001"
PICTURE = OutboundFile(name="lämp.jpg", mime_type="image/jpeg", size_bytes=3, url="https://files.example", content=b"abc")


@dataclass
class Asking:
    """A gateway's side, and the org's. `memory` is what was remembered of the customer so far."""

    settings: SalesforceOrg
    tokens: Tokens
    driver: Driver
    org: PlainOrg
    faults: Faults
    published: list[tuple[str, dict[str, Any]]]
    memory: dict[str, Any] = field(default_factory=dict)
    rows: int = 0

    async def send(
        self,
        operation: str,
        body: Mapping[str, Any],
        channel: SalesforceChannel = MESSAGING,
        *,
        file: OutboundFile | None = None,
        row: int | None = None,
    ) -> Sent:
        """One row; `row` repeats an earlier one."""
        self.rows += row is None
        key = f"6f0c52a4-8a0b-4f0e-9d2e-{row or self.rows:012}"
        call: Call = a_call(operation, body, self.memory, retry_key=key, created_at=clock.now())
        flow = calls.send(call, file=file, org=self.settings, channel=channel, tokens=self.tokens, now=clock.now())
        try:
            sent = await self.driver.run(flow)
        except SendFailed as failed:
            self.memory |= failed.remember
            raise
        self.memory |= sent.remember
        return sent

    def events(self) -> list[AnyOrgEvent]:
        """What the org has published since the last time, as the gateway reads it."""
        found = [
            event
            for kind, payload in self.published
            for event in parsing.parse(an_event(json.loads(json.dumps(payload)), kind), lane=LANE, org=self.settings)
        ]
        self.published.clear()
        return found

    def heard(self) -> list[Any]:
        """What customers have said, as the org has it."""
        return [says.content for thread in self.org.threads.values() for says in thread.entries]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    channels = [
        OrgChannel(ADDRESS, "Acme_Sms"),
        OrgChannel(PARTNER_ADDRESS, "Acme_Uk", product="ccaas", routing="partner", consent="partner"),
    ]
    published: list[tuple[str, dict[str, Any]]] = []
    users = {USERNAME: User(USERNAME, "005000000000009")}
    issued = IssuedTokens("00D000000000001EAA", clock.now, users)
    org = PlainOrg(
        "00D000000000001",
        channels,
        lambda kind, payload: published.append((kind, payload)),
        clock.now,
        reps=[RepFacts(ANA), RepFacts(BEN)],
        queues=frozenset({QUEUE}),
    )
    faults, app, driver = Faults(issued), web.Application(), Driver()
    grants = Grants([App(CONSUMER, (key_pair()[1],), frozenset({USERNAME}))], issued)
    names: Any = {"event": "byoc__Message__e", "type_field": "byoc__EventType__c", "payload_field": "byoc__Payload__c"}
    Instance(grants, issued, users, set_up(channels, org_id="00D000000000001EAA", **names)).install(app, "/org")
    Rest(org, issued, faults).install(app, "/org")
    async with TestServer(app) as server:
        base = f"http://127.0.0.1:{server.port}/org"
        settings = an_org(org_id="00D000000000001EAA", login_url=base, instance_url=base, scrt_url=base)
        grants._audiences |= {base}
        yield Asking(settings, tokens_of(settings), driver, org, faults, published)
        await driver.close()


# ------------------------------------------------------------------------------------------------ Salesforce routes


async def test_a_conversation_with_a_rep(asking: Asking) -> None:
    first = await asking.send("interaction", formats.text("hello").body)
    conversation = asking.memory["conversation"]
    (waiting,) = asking.events()
    assert isinstance(waiting, StatusChanged)
    assert (waiting.status, waiting.session_id, waiting.conversation, waiting.customer) == (
        "Waiting",
        asking.memory["work_item"],
        conversation,
        CUSTOMER,
    )
    asking.org.join(conversation, ANA)
    entry = asking.org.say(conversation, ANA, "Hello *Kim*")
    came, active, said = asking.events()
    assert isinstance(came, PeopleChanged)
    assert [(one.operation, one.person.subject) for one in came.changes] == [("add", ANA)]
    assert isinstance(active, StatusChanged)
    assert isinstance(said, RepSaid)
    assert (said.said.text, said.entry_id, said.address) == ("Hello *Kim*", entry, ADDRESS)
    await asking.send("acknowledgement", {"acknowledgements": [formats.acknowledgement("read", entry, 1_772_452_800_000)]})
    await asking.send("interaction", formats.delivery_failed(entry, "blocked").body)
    thread = asking.org.threads[conversation]
    assert [(one.entry_id, one.status) for one in thread.receipts] == [(entry, "Read")]
    assert thread.failures == [(entry, "blocked")]
    assert [says.entry_id for says in thread.entries] == list(first.message_ids)


async def test_whatever_customers_send(asking: Asking) -> None:
    choices = (Choice(id="o1", title="Yes"), Choice(id="o2", title="No"))
    made = [
        *formats.interactions(
            [TextPart(text="hi"), MediaPart(media="image", media_id="m1", caption="see", state=MediaState.ready)]
        ),
        *formats.interactions([TextPart(text="2")], answers="q1", choices=choices),
        formats.form_answers({"name": "Kim"}, answers="f1"),
    ]
    for one in made:
        await asking.send("interaction", one.body, file=PICTURE if one.media_id else None)
    text, picture, chosen, filled = asking.heard()
    assert text == Text("hi")
    assert picture == Upload("lämp.jpg", "image/jpeg", b"abc", "see")
    assert chosen == Chosen((("o2", "No"),))
    assert dict(filled.values) == {"name": "Kim"}
    settled = [event for event in asking.events() if isinstance(event, FileSettled)]
    assert [(one.error, one.message_id == one.entry_id) for one in settled] == [(None, False)]
    await asking.send("interaction", formats.typing(True).body)
    assert next(iter(asking.org.threads.values())).typing


async def test_an_expired_token_is_renewed_within_the_row(asking: Asking) -> None:
    await asking.send("interaction", formats.text("one").body)
    asking.faults.expire_tokens()
    await asking.send("interaction", formats.text("two").body)
    assert asking.heard() == [Text("one"), Text("two")]


@pytest.mark.parametrize("code", [10055, 10056, 10094, 10019, 500, 0])
async def test_what_passes_is_sent_again_with_the_same_entry(asking: Asking, code: int) -> None:
    """Also after the effect, where the org tells a repetition by its entry's id."""
    asking.faults.apply({"idempotent": True})
    for when in ("before", "after"):
        asking.faults.apply({"answer": {"code": code, "when": when, "path": "/interactions"}})
        with pytest.raises(SendFailed) as caught:
            await asking.send("interaction", formats.text(when).body)
        assert (caught.value.verdict, getattr(caught.value, "holds", False)) == (Verdict.again, False)
        await asking.send("interaction", formats.text(when).body, row=asking.rows)
    assert asking.heard() == [Text("before"), Text("after")]


@pytest.mark.parametrize(("fault", "scope"), [({"inactive": [ADDRESS]}, "channel"), ({"unknown": [ADDRESS]}, "channel")])
async def test_a_broken_org_holds_and_loses_nothing(asking: Asking, fault: dict[str, Any], scope: str) -> None:
    asking.faults.apply(fault)
    for _ in range(2):
        with pytest.raises(OrgFault) as caught:
            await asking.send("interaction", formats.text("hello").body, row=1)
        assert caught.value.scope == scope
    asking.faults.apply({"clear": True})
    await asking.send("interaction", formats.text("hello").body, row=1)
    assert asking.heard() == [Text("hello")]


async def test_over_the_rate_limit(asking: Asking) -> None:
    asking.faults.apply({"requests_per_second": 0.001})
    await asking.send("interaction", formats.text("one").body)
    with pytest.raises(SendFailed) as caught:
        await asking.send("interaction", formats.text("two").body)
    assert (caught.value.code, caught.value.throttles_account) == ("rate_limited", True)


async def test_capabilities_are_registered(asking: Asking) -> None:
    await asking.send("capabilities", capabilities.body(ADAPTER.capabilities, MESSAGING, asking.settings))
    assert set(asking.org.registered) == {"Acme_Sms"}


# ---------------------------------------------------------------------------------------------------- the partner routes


async def asked(asking: Asking) -> RoutingAsked:
    (event,) = [event for event in asking.events() if isinstance(event, RoutingAsked)]
    return event


async def test_routing_a_conversation_and_adding_a_rep(asking: Asking) -> None:
    await asking.send("interaction", formats.text("hello").body, PARTNER)
    initial = await asked(asking)
    assert (initial.routing, initial.conversation, initial.address) == ("Initial", asking.memory["conversation"], PARTNER_ADDRESS)
    await asking.send("route", {"routingType": "Initial", "routingInfo": {"queueId": QUEUE}}, PARTNER)
    await asking.send("agent_work", {"userId": ANA}, PARTNER)
    asking.org.accept(asking.memory[f"agent_work:{ANA}"])
    await asking.send("routing_result", {"success": True, "routingType": "Initial"}, PARTNER)
    asking.events()
    asking.org.ask(asking.memory["conversation"], ANA, "Conference", Wish(user=BEN))
    wish = await asked(asking)
    assert (wish.routing, wish.user) == ("Conference", BEN)
    body = {"userId": BEN, "routingType": "Conference", "routingCorrelationId": wish.correlation}
    await asking.send("agent_work", body, PARTNER)
    await asking.send("close_agent_work", {"status": "Cancel", "userId": BEN}, PARTNER)
    await asking.send("agent_work", body, PARTNER)
    asking.org.accept(asking.memory[f"agent_work:{BEN}"])
    await asking.send("routing_result", {"success": True, "routingType": "Conference"}, PARTNER)
    came = [one.person.subject for event in asking.events() if isinstance(event, PeopleChanged) for one in event.changes]
    assert came == [BEN]
    await asking.send("participant", {"subject": BEN}, PARTNER)
    await asking.send("consent", {"consentStatus": "ExplicitlyOptedIn"}, PARTNER)
    await asking.send("session", {"operation": "End", "operationBy": "EndUser"}, PARTNER)
    ends = [event for event in asking.events() if isinstance(event, StatusChanged)]
    assert [(event.status, event.ended_by) for event in ends] == [("Ended", "EndUser")]
    assert asking.memory["work_item"] is None
    await asking.send("session", {"operation": "End", "operationBy": "EndUser"}, PARTNER)  # there is none any more


async def test_a_request_that_is_withdrawn(asking: Asking) -> None:
    await asking.send("interaction", formats.text("hello").body, PARTNER)
    await asking.send("route", {"routingType": "Initial", "routingInfo": {"queueId": QUEUE}}, PARTNER)
    await asking.send("unroute", {"cancelReason": "Cancel"}, PARTNER)
    assert asking.memory["psr"] is None


async def test_what_was_said_before(asking: Asking) -> None:
    """The conversation is asked for first, so that all of it is attached to one session."""
    kim, ana = (Actor(role=Role.end_user, id=CUSTOMER, name="Kim"), Actor(role=Role.rep, id="ana", name="Ana"))
    now = clock.now()
    said = [
        Entry(
            number=number,
            kind=EntryKind.message,
            visibility=Visibility.everyone,
            at=now - timedelta(minutes=30 - number),
            sender=kim if number % 2 else ana,
            text=f"t{number}",
        )
        for number in range(1, 9)
    ]
    for portion in history.portions(said, session_id="s1", customer=CUSTOMER, now=now):
        await asking.send("history", portion, PARTNER)
    (thread,) = asking.org.threads.values()
    assert [one.text for one in thread.entries if not isinstance(one.content, Upload)] == [f"t{number}" for number in range(1, 9)]  # type: ignore[union-attr]
    assert len(thread.sessions) == 1
    assert asking.memory["work_item"] == thread.sessions[0].id


async def test_ids_of_a_conversation_that_is_gone(asking: Asking) -> None:
    """A sandbox was refreshed: what was remembered is nobody's there."""
    asking.memory = {"conversation": "6f0c52a4-8a0b-4f0e-9d2e-0b1f6a1c7e99", "work_item": "0Mw000000000099"}
    await asking.send("route", {"routingType": "Initial", "routingInfo": {"queueId": QUEUE}}, PARTNER)
    assert asking.memory["conversation"] in asking.org.threads
