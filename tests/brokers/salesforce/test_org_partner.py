"""Where a partner routes: the org asks for a rep instead of choosing one, and its reps are asked because the partner gave them work."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.contract import Effect
from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import OrgRefusal, RoutingContext, RoutingDone, RoutingType, Target, WorkAsked
from gateway.session.commands import AcceptInvitation, AcceptWork, DeclineWork, Invite
from gateway.session.decision import Refusal
from gateway.session.model import Login, Recipient, RecipientType, Session
from tests.brokers.salesforce.console import Console, console
from tests.world import wait_until

ANA, BEN, CLEO = Login("ana"), Login("ben"), Login("cleo")
PARTNER = {"product": "ccaas", "routing": "partner"}


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path, served={"whatsapp": PARTNER}) as made:
        await made.online("ana", "ben", "cleo")
        yield made


async def asked(org: Console, routing: str, count: int = 1) -> dict[str, Any]:
    """What the org asked the partner for last, with the id of the question."""

    async def there() -> Any:
        every = [payload["payload"] for kind, payload in await org.published() if kind == "RoutingRequested"]
        found = [one for one in every if one["routingType"] == routing]
        return found[-1] if len(found) >= count else None

    found = await wait_until(there, what=f"RoutingRequested {routing}")
    return {**found["routingParameters"], "correlation": json.loads(found["routingParameters"]["channelData"])["eventId"]}


async def gives(org: Console, login: str, routing: RoutingType, correlation: str) -> str:
    """The partner gives the work to a rep; its id."""
    conversation = await org.conversation()
    context = RoutingContext(conversation.id, routing, correlation)
    work = WorkAsked(ids.user_id(login), str(conversation.session_id), weight=1, context=context)
    return (await org.organisation.org.agent_work(work)).work_id


async def begun(org: Console) -> Session:
    """A session that the partner gave to Ana, who took it."""
    await org.customer_says("hello")
    request = await asked(org, "Initial")
    await gives(org, "ana", "Initial", request["correlation"])
    session = await org.session()
    await org.does(session.id, AcceptWork(by=ANA))
    await work_is(org, "Accepted")
    return await org.session()


async def work_is(org: Console, state: str, count: int = 1) -> None:
    async def there() -> bool:
        told = [one["entryPayload"]["workType"] for one in await org.until("RoutingWorkResult", 0)]
        return told.count(state) >= count

    await wait_until(there, what=f"work that is {state}")


async def wants(org: Console, session: Session, to: str, purpose: str) -> Effect | Refusal:
    """Ana, at the console, by way of the API's broker."""
    recipient = Recipient(type=RecipientType.agent, id=to)
    command = Invite(by=ANA, recipient=recipient, purpose=purpose)  # type: ignore[arg-type]
    return await org.organisation.console.broker.command(org.caller("ana"), session.id, command)


async def test_a_new_session_is_offered_to_nobody_until_the_partner_gives_it(org: Console) -> None:
    await org.customer_says("hello")
    request = await asked(org, "Initial")
    assert (await org.session()).offer is None
    await gives(org, "ben", "Initial", request["correlation"])
    offer = (await org.session()).offer
    assert offer is not None
    assert offer.rep == "ben"
    await org.does((await org.session()).id, AcceptWork(by=BEN))
    (added,) = await org.until("ParticipantChanged")
    assert added["entryPayload"]["entries"][0]["participant"]["subject"] == ids.user_id("ben")
    await work_is(org, "Accepted")


async def test_a_declined_work_can_be_given_to_another(org: Console) -> None:
    await org.customer_says("hello")
    request = await asked(org, "Initial")
    await gives(org, "ana", "Initial", request["correlation"])
    session = await org.session()
    await org.organisation.console.broker.command(org.caller("ana"), session.id, DeclineWork(by=ANA))
    await work_is(org, "Declined")
    await gives(org, "ben", "Initial", request["correlation"])
    offer = (await org.session()).offer
    assert offer is not None
    assert offer.rep == "ben"


async def test_work_that_waits_must_be_cancelled_before_another_rep_is_asked(org: Console) -> None:
    await org.customer_says("hello")
    request = await asked(org, "Initial")
    first = await gives(org, "ana", "Initial", request["correlation"])
    with pytest.raises(OrgRefusal):
        await gives(org, "ben", "Initial", request["correlation"])
    await org.organisation.org.close_agent_work(first, "Cancel")
    assert (await org.session()).offer is None
    await gives(org, "ben", "Initial", request["correlation"])


async def test_a_conference_goes_by_the_partner(org: Console) -> None:
    session = await begun(org)
    done = await wants(org, session, "ben", "invite")
    assert isinstance(done, Effect)
    request = await asked(org, "Conference")
    assert request["userId"] == ids.user_id("ben")
    assert (await org.session()).invitations == ()
    await gives(org, "ben", "Conference", request["correlation"])
    (invitation,) = (await org.session()).invitations
    await org.does(session.id, AcceptInvitation(by=BEN, invitation_id=invitation.id))
    await org.until("ParticipantChanged", 2)
    await work_is(org, "Accepted", 2)
    conversation = await org.conversation()
    result = RoutingDone(conversation.id, str(conversation.session_id), True, False, "Conference")
    await org.organisation.org.routing_result(result)
    assert [rep.id for rep in (await org.session()).reps] == ["ana", "ben"]


async def test_a_transfer_goes_by_the_partner_in_one_step(org: Console) -> None:
    session = await begun(org)
    await wants(org, session, "ben", "transfer")
    request = await asked(org, "Transfer")
    await gives(org, "ben", "Transfer", request["correlation"])
    (invitation,) = (await org.session()).invitations
    await org.does(session.id, AcceptInvitation(by=BEN, invitation_id=invitation.id))
    (_, swapped) = await org.until("ParticipantChanged", 2)
    assert [one["operation"] for one in swapped["entryPayload"]["entries"]] == ["add", "remove"]
    assert [rep.id for rep in (await org.session()).reps] == ["ben"]


async def test_the_rules_judge_before_the_partner_is_asked(org: Console) -> None:
    session = await begun(org)
    recipient = Recipient(type=RecipientType.others, id="somebody@elsewhere.example")
    broker = org.organisation.console.broker
    refused = await broker.command(org.caller("ana"), session.id, Invite(by=ANA, recipient=recipient))
    assert isinstance(refused, Refusal)
    assert refused.code == "recipient_type_not_allowed"
    assert [kind for kind, _ in await org.published()].count("RoutingRequested") == 1


async def test_the_partner_removes_a_rep_and_the_session_waits(org: Console) -> None:
    session = await begun(org)
    await org.organisation.org.remove(await org.conversation(), ids.user_id("ana"))
    again = await org.session()
    assert (again.id, again.reps) == (session.id, ())
    await asked(org, "Initial", 2)
    with pytest.raises(OrgRefusal) as refused:
        await org.organisation.org.remove(await org.conversation(), ids.user_id("ana"))
    assert refused.value.code == 10036


async def test_routing_to_a_queue_makes_a_pending_routing(org: Console) -> None:
    await org.customer_says("hello")
    await asked(org, "Initial")
    conversation = await org.conversation()
    made = await org.organisation.org.route(conversation, "Initial", Target(queue=ids.queue_id("support")))
    assert made.work_item == conversation.session_id
    work = await org.organisation.org.agent_work(WorkAsked(ids.user_id("cleo"), made.work_item))
    assert work.psr_id == made.psr_id
    await org.organisation.org.close_agent_work(work.work_id, "Cancel")
    await org.organisation.org.unroute(conversation, "Unavailable")
    with pytest.raises(OrgRefusal):
        await org.organisation.org.route(conversation, "Initial", Target(queue="00G000000000000"))


async def test_work_outlives_a_restart_of_the_org(tmp_path: Path) -> None:
    async with console(tmp_path, served={"whatsapp": PARTNER}) as org:
        await org.online("ana", "ben")
        await org.customer_says("hello")
        request = await asked(org, "Initial")
        work = await gives(org, "ana", "Initial", request["correlation"])
    async with console(tmp_path, served={"whatsapp": PARTNER}) as org:
        await org.organisation.org.close_agent_work(work, "Cancel")
        assert (await org.session()).offer is None
        await gives(org, "ben", "Initial", request["correlation"])
        await org.does((await org.session()).id, AcceptWork(by=BEN))
        await work_is(org, "Accepted")


@pytest.mark.parametrize(("status", "code"), [("away", 15112), (None, 15106)])
async def test_who_cannot_be_given_work(org: Console, status: str | None, code: int) -> None:
    await org.customer_says("hello")
    request = await asked(org, "Initial")
    if status is not None:
        await org.present("ana", status)
    with pytest.raises(OrgRefusal) as refused:
        await gives(org, "ana" if status else "nobody", "Initial", request["correlation"])
    assert refused.value.code == code


async def test_limits_of_a_conference(tmp_path: Path) -> None:
    served = {"whatsapp": {"max_participants": 1}, "sms": {"conference_supported": False}}
    async with console(tmp_path, served=served) as org:
        for channel_id, code in (("whatsapp", "participant_limit_reached"), ("sms", "conferencing_not_supported")):
            session_id = await org.taken(channel_id=channel_id)
            await org.present("ben", "online")
            command = Invite(by=ANA, recipient=Recipient(type=RecipientType.agent, id=BEN))
            refused = await org.organisation.console.broker.command(org.caller("ana"), session_id, command)
            assert isinstance(refused, Refusal)
            assert refused.code == code
            await org.present("ben", "away")
