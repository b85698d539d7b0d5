"""What becomes visible from outside when the org's people confer, by the rules of docs/conferencing.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.brokers.salesforce.simulator import ids
from gateway.session.commands import (
    AcceptInvitation,
    DeclineInvitation,
    End,
    Invite,
    Leave,
    LowerFlag,
    RaiseFlag,
    Whisper,
    WithdrawInvitation,
)
from gateway.session.model import InvitationId, Login, Purpose, Recipient, RecipientType, SessionId
from tests.brokers.salesforce.console import KIM, Console, console

ANA, BEN, CLEO, SAM = (Login(name) for name in ("ana", "ben", "cleo", "sam"))
Steps = Callable[[Console, SessionId], Awaitable[None]]


async def asks(org: Console, session_id: SessionId, by: Login, to: str, purpose: str = "invite") -> InvitationId:
    await org.online(to)
    recipient = Recipient(type=RecipientType.agent, id=to)
    done = await org.does(session_id, Invite(by=by, recipient=recipient, purpose=purpose))  # type: ignore[arg-type]
    assert done.invitation is not None
    return done.invitation.id


async def comes(org: Console, session_id: SessionId, by: Login, to: Login, purpose: str = "invite") -> None:
    asked = await asks(org, session_id, by, to, purpose)
    await org.does(session_id, AcceptInvitation(by=to, invitation_id=asked))


async def nothing(org: Console, session_id: SessionId) -> None:
    pass


async def invited(org: Console, session_id: SessionId) -> None:
    await comes(org, session_id, ANA, BEN)


async def declined(org: Console, session_id: SessionId) -> None:
    asked = await asks(org, session_id, ANA, BEN)
    await org.does(session_id, DeclineInvitation(by=BEN, invitation_id=asked))
    await org.says(session_id, "ana", "nobody else, then")


async def withdrawn(org: Console, session_id: SessionId) -> None:
    asked = await asks(org, session_id, ANA, BEN)
    await org.does(session_id, WithdrawInvitation(by=ANA, invitation_id=asked))


async def left(org: Console, session_id: SessionId) -> None:
    await comes(org, session_id, ANA, BEN)
    await org.does(session_id, Leave(by=ANA))


async def transferred(org: Console, session_id: SessionId) -> None:
    await comes(org, session_id, ANA, BEN, Purpose.transfer)


async def ended(org: Console, session_id: SessionId) -> None:
    await org.does(session_id, End(by=ANA))


async def ended_by_supervisor(org: Console, session_id: SessionId) -> None:
    await org.does(session_id, End(by=SAM))


async def spoken(org: Console, session_id: SessionId) -> None:
    await org.says(session_id, "ana", "good **morning**")


async def flagged(org: Console, session_id: SessionId) -> None:
    await org.does(session_id, RaiseFlag(by=ANA, text="SECRET: help"))
    await org.does(session_id, Whisper(by=SAM, text="SECRET: a refund"))
    await org.does(session_id, LowerFlag(by=ANA))


async def supervised(org: Console, session_id: SessionId) -> None:
    await comes(org, session_id, ANA, SAM)
    await org.says(session_id, "sam", "I can help")


def told(payload: dict[str, Any]) -> str:
    """An event in one line."""
    kind, content = payload["entryType"], payload["entryPayload"]
    assert content["entryType"] == kind
    assert content["id"] == payload["identifier"]
    who = {ids.user_id(login): login for login in ("ana", "ben", "cleo", "sam")}
    if kind == "ParticipantChanged":
        changes = (
            f"{one['operation']} {who[one['participant']['subject']]} ({one['participant']['role']})"
            for one in content["entries"]
        )
        return " and ".join(changes)
    if kind == "SessionStatusChanged":
        by = f" by {content['sessionEndedByRole']}" if "sessionEndedByRole" in content else ""
        return f"{content['sessionStatusPrev']} to {content['sessionStatus']}{by}"
    if kind == "Message":
        return (
            f"{payload['senderDisplayName']} ({payload['sender']['role']}): {content['abstractMessage']['staticContent']['text']}"
        )
    if kind == "RoutingResult":
        return f"{kind} {content['routingType']} {content['failureType']} {content.get('cancelReason', '')}".strip()
    if kind == "RoutingWorkResult":
        return f"{kind} {content['workType']} {who[content['workTargetId']]}"
    return str(kind)


BEGINNING = [
    "New to Waiting",
    "RoutingResult Initial None",
    "QueuePosition",
    "DeliveryAcknowledgement",
    "add ana (Agent)",
    "RoutingWorkResult Accepted ana",
    "Waiting to Active",
]

CASES: list[tuple[str, Steps, list[str]]] = [
    ("a rep accepts the session", nothing, []),
    ("M1: a rep speaks", spoken, ["Ana (Agent): good **morning**"]),
    ("C7: a rep comes in", invited, ["add ben (Agent)", "RoutingWorkResult Accepted ben"]),
    ("C8: a rep declines", declined, ["Ana (Agent): nobody else, then"]),
    ("C9: a request is withdrawn", withdrawn, ["RoutingResult Conference Cancelled Cancel"]),
    (
        "L1: a rep leaves",
        left,
        [
            "add ben (Agent)",
            "RoutingWorkResult Accepted ben",
            "remove ana (Agent)",
            "RoutingWorkResult Closed ana",
        ],
    ),
    ("T1: a rep hands over", transferred, ["add ben (Agent) and remove ana (Agent)", "RoutingWorkResult Transferred ana"]),
    ("L3: the last rep ends it", ended, ["Active to Ended by Agent"]),
    ("L3: a supervisor ends it", ended_by_supervisor, ["Active to Ended by Supervisor"]),
    ("M4: flag and whisper", flagged, ["FlagRaise", "Note", "FlagLower"]),
    (
        "a supervisor comes in",
        supervised,
        ["add sam (Supervisor)", "RoutingWorkResult Accepted sam", "Sam (Supervisor): I can help"],
    ),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_what_is_published(steps: Steps, expected: list[str], tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        await steps(org, session_id)
        last = (await org.customer_says("the last word")) if not expected or "Ended" not in expected[-1] else None
        if last is not None:
            await org.until("DeliveryAcknowledgement", 2)
        else:
            await org.until("SessionStatusChanged", 3)
        every = await org.published()
        assert {type for type, _ in every} == {"Interaction"}
        lines = [told(payload["payload"]) for _, payload in every]
        assert lines == BEGINNING + expected + (["DeliveryAcknowledgement"] if last else [])
        assert {payload["recipient"]["subject"] for _, payload in every} == {KIM}


async def test_a_whisper_is_never_a_message(tmp_path: Path) -> None:
    async with console(tmp_path) as org:
        session_id = await org.taken()
        await flagged(org, session_id)
        await org.says(session_id, "ana", "in the open")
        (message,) = await org.until("Message")
        assert "SECRET" not in str(message)
        secret = {payload["payload"]["entryType"] for _, payload in await org.published() if "SECRET" in str(payload)}
        assert secret == {"FlagRaise", "Note"}


async def test_an_auto_response_is_a_message_of_the_orgs(tmp_path: Path) -> None:
    async with console(tmp_path, auto_response=True) as org:
        await org.taken()
        (message,) = await org.until("Message")
        assert message["entryPayload"]["messageReason"] == "AutomatedResponse"
        assert message["sender"]["role"] == "System"
        assert "Ana has joined" in str(message)
