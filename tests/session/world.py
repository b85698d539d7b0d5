"""A small org, and a player that drives one customer's sessions through the rules: it applies decisions, keeps timers, and fires
them as time goes by, as a broker would. After every step it checks what every decision must keep (`Play._check`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from adapters.envelope import (
    Address,
    Author,
    ChannelId,
    EndUser,
    InboundEnded,
    InboundMessage,
    MediaPart,
    MediaState,
    Part,
    TextPart,
)
from gateway.session import commands as c
from gateway.session.decide import decide, open_session
from gateway.session.decision import CancelTimer, Decision, Facts, Outgoing, Refusal, SetTimer, Signal
from gateway.session.model import (
    ChannelFacts,
    Entry,
    EntryKind,
    FlowCondition,
    FlowDefinition,
    FlowRule,
    InvitationId,
    InvitationStatus,
    Login,
    OrgSettings,
    Presence,
    Queue,
    Recipient,
    RecipientType,
    Rep,
    RepPresence,
    Session,
    SessionId,
    Status,
    Visibility,
)
from gateway.session.replay import replay, state_of

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
LICENCES = frozenset({"messaging_user", "enhanced_chat_user"})
PERMISSIONS = frozenset({"messaging_agent", "enhanced_chat_rep", "run_flows"})

Kind = Literal["human", "bot"]


def rep(login: str, name: str | None = None, *, supervisor: bool = False, kind: Kind = "human", **more: Any) -> Rep:
    """A rep with all rights; the login has nothing of the public name, so that a leak of it shows."""
    fields: dict[str, Any] = {"licences": LICENCES, "permissions": PERMISSIONS, **more}
    return Rep(
        login=Login(login),
        org=fields.pop("org", "acme"),
        name=name or login.title(),
        supervisor=supervisor,
        kind=kind,
        **fields,
    )


def agent(login: str) -> Recipient:
    """A recipient."""
    return Recipient(type=RecipientType.agent, id=login)


def queue(id: str) -> Recipient:
    """A recipient."""
    return Recipient(type=RecipientType.queue, id=id)


def flow(id: str) -> Recipient:
    """A recipient."""
    return Recipient(type=RecipientType.flow, id=id)


OTHERS = Recipient(type=RecipientType.others, id="partner")


@dataclass
class World:
    """The org: whatever a test wants to change, it changes here."""

    settings: OrgSettings = field(default_factory=OrgSettings)
    channel: ChannelFacts = field(
        default_factory=lambda: ChannelFacts(id=ChannelId("sms"), kind="sms", org="acme", chat=False, queue="support")
    )
    people: dict[str, Rep] = field(
        default_factory=lambda: {
            one.login: one
            for one in (
                rep("ana"),
                rep("ben"),
                rep("cleo"),
                rep("dora"),
                rep("sam", supervisor=True),
                rep("robo", kind="bot", licences=frozenset(), permissions=frozenset()),
            )
        }
    )
    queues: dict[str, Queue] = field(
        default_factory=lambda: {
            "support": Queue(id="support", org="acme", name="Support", reps=(Login("ana"), Login("ben"), Login("cleo"))),
            "billing": Queue(id="billing", org="acme", name="Billing", reps=(Login("cleo"), Login("dora"))),
        }
    )
    flows: dict[str, FlowDefinition] = field(
        default_factory=lambda: {
            "escalate": FlowDefinition(
                id="escalate",
                org="acme",
                name="Escalate",
                rules=(FlowRule(when=FlowCondition(text_matches="refund"), to=queue("billing")), FlowRule(to=agent("dora"))),
            ),
            "nowhere": FlowDefinition(id="nowhere", org="acme", name="Nowhere"),
        }
    )
    presence: defaultdict[str, RepPresence] = field(default_factory=lambda: defaultdict(RepPresence))
    other_load: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for minute, login in enumerate(self.people):
            idle_since = START - timedelta(hours=1) + timedelta(minutes=minute)
            self.presence.setdefault(login, RepPresence(status=Presence.online, idle_since=idle_since, connected=True))

    def set(self, **settings: Any) -> None:
        """Change the org's settings."""
        self.settings = self.settings.model_copy(update=settings)

    def set_channel(self, **facts: Any) -> None:
        """Change the channel."""
        self.channel = self.channel.model_copy(update=facts)

    def set_rep(self, login: str, **fields: Any) -> None:
        """Change a rep."""
        self.people[login] = self.people[login].model_copy(update=fields)

    def go(self, status: Presence, *logins: str) -> None:
        """Reps say how they are present."""
        for login in logins:
            self.presence[login] = self.presence[login].model_copy(update={"status": status})


def message(text: str = "hello", number: int = 1, *, author: Author = Author.end_user, **more: Any) -> InboundMessage:
    """Kim writes."""
    parts: tuple[Part, ...] = more.pop("parts", (TextPart(text=text),))
    return InboundMessage(
        channel_id=ChannelId("sms"),
        event_id=f"event-{number}",
        message_id=f"message-{number}",
        end_user=more.pop("end_user", EndUser(address=Address("+4940123"), name="Kim")),
        received_at=more.pop("received_at", START),
        author=author,
        parts=parts,
        **more,
    )


PICTURE = MediaPart(media="image", state=MediaState.ready, mime_type="image/png", name="hinge.png", media_id="med1")


class Play:
    """One customer's sessions. `session`, `entries`, `outgoing` are those of the newest one; `signals` of the last step."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.now = START
        self.current: Session | None = None
        self.ended: list[tuple[Session, list[Entry]]] = []
        self.entries: list[Entry] = []
        self.outgoing: list[Outgoing] = []
        self.all_outgoing: list[Outgoing] = []
        self.signals: tuple[Signal, ...] = ()
        self.timers: dict[tuple[str, str], datetime] = {}
        self.declined: set[str] = set()
        self.messages = 0
        self._ids = 0

    # ------------------------------------------------------------------------------------------- facts

    @property
    def session(self) -> Session:
        """The newest session."""
        assert self.current is not None, "the customer hasn't written yet"
        return self.current

    def new_id(self, prefix: str) -> str:
        """Ids count up."""
        self._ids += 1
        return f"{prefix}{self._ids}"

    def facts(self) -> Facts:
        """What the rules may know at this moment."""
        return Facts(
            now=self.now,
            new_id=self.new_id,
            settings=self.world.settings,
            channel=self.world.channel,
            reps=self.world.people,
            queues=self.world.queues,
            flows=self.world.flows,
            presence=self.world.presence,
            load=self._load(),
            latest_text=self._latest_text(),
            attributes=self.world.attributes,
        )

    def _load(self) -> Mapping[str, int]:
        load = Counter(self.world.other_load)
        if self.current is not None:
            busy = [p.id for p in self.current.reps] if self.current.status is Status.active else []
            busy += [self.current.offer.rep] if self.current.offer else []
            load.update(busy)
        return load

    def _latest_text(self) -> str:
        said = [e.text for e in self.entries if e.kind is EntryKind.message and e.sender and e.sender.role.value == "end_user"]
        return said[-1] or "" if said else ""

    # ------------------------------------------------------------------------------------------- steps

    def do(self, command: c.Command) -> Decision | Refusal:
        """Decide and apply."""
        before = self.session
        told = before.model_dump_json()
        outcome = decide(before, command, self.facts())
        assert before.model_dump_json() == told, "a frozen session was changed"
        if isinstance(outcome, Refusal):
            assert outcome.sentence.endswith(".")
            self.signals = ()
            return outcome
        self._apply(before, outcome)
        return outcome

    def ok(self, command: c.Command) -> Decision:
        """It must be done."""
        outcome = self.do(command)
        assert isinstance(outcome, Decision), outcome
        return outcome

    def refused(self, command: c.Command, code: str) -> Refusal:
        """It must be refused, with this code, and change nothing."""
        before = self.current
        outcome = self.do(command)
        assert isinstance(outcome, Refusal), outcome
        assert outcome.code == code, outcome
        assert self.current is before
        return outcome

    def customer(self, text: str = "hello", **more: Any) -> Decision:
        """The customer writes; to an ended session, or to none, it opens a new one."""
        self.messages += 1
        inbound = message(text, self.messages, received_at=self.now, **more)
        if self.current is not None and self.current.status is not Status.ended:
            return self.ok(c.CustomerSaid(message=inbound))
        if self.current is not None:
            self.ended.append((self.current, self.entries))
            self.entries, self.outgoing, self.timers, self.declined = [], [], {}, set()
        decision = open_session(SessionId(self.new_id("ses")), inbound, self.facts())
        self._apply(None, decision)
        return decision

    def begin(self, decision: Decision) -> None:
        """A session that was opened otherwise than by the customer's words."""
        self._apply(None, decision)

    def wait(self, seconds: float) -> None:
        """Time goes by; what falls due fires, in order."""
        until = self.now + timedelta(seconds=seconds)
        while due := sorted((at, key) for key, at in self.timers.items() if at <= until):
            at, (kind, ref) = due[0]
            self.now = max(self.now, at)
            del self.timers[kind, ref]
            self.ok(c.TimerFired(kind=kind, ref=ref))
        self.now = until

    def _apply(self, before: Session | None, decision: Decision) -> None:
        self.current = decision.session
        self.entries.extend(decision.entries)
        self.outgoing.extend(decision.outgoing)
        self.all_outgoing.extend(decision.outgoing)
        self.signals = decision.signals
        for timer in decision.timers:
            if isinstance(timer, SetTimer):
                self.timers[timer.kind, timer.ref] = timer.due_at
            elif isinstance(timer, CancelTimer):
                self.timers.pop((timer.kind, timer.ref), None)
        if decision.invitation is not None and decision.invitation.status is InvitationStatus.declined:
            self.declined.add(decision.invitation.id)
        self._check(before, decision)

    def _check(self, before: Session | None, decision: Decision) -> None:
        session = self.session
        assert [e.number for e in self.entries] == list(range(1, session.entry_count + 1))
        assert replay(self.entries, declined=self.declined) == state_of(session)
        grown = (before.version if before else 0) + (session is not before)
        assert session.version == grown
        assert Session.model_validate_json(session.model_dump_json(exclude_defaults=True)) == session, "it survives the store"

    # ---------------------------------------------------------------------------------------- shortcuts

    def take(self, login: str = "ana") -> Decision:
        """The rep accepts the offer; whoever else had it declines first."""
        while self.session.offer is not None and self.session.offer.rep != login:
            self.ok(c.DeclineWork(by=self.session.offer.rep))
        return self.ok(c.AcceptWork(by=Login(login)))

    def invite(self, by: str, to: Recipient, *, purpose: Literal["invite", "transfer"] = "invite") -> InvitationId:
        """It must be allowed; the invitation's id."""
        decision = self.ok(c.Invite(by=Login(by), recipient=to, purpose=purpose))
        assert decision.invitation is not None
        return decision.invitation.id

    def accept(self, by: str, invitation_id: str) -> Decision:
        """It must be allowed."""
        return self.ok(c.AcceptInvitation(by=Login(by), invitation_id=InvitationId(invitation_id)))

    def join(self, *logins: str, inviter: str = "ana") -> None:
        """Each is invited and accepts."""
        for login in logins:
            self.accept(login, self.invite(inviter, agent(login)))

    def say(self, by: str, text: str = "hi") -> Decision:
        """A rep says something to the customer."""
        return self.ok(c.SayToCustomer(by=Login(by), text=text))

    def end_by_customer(self) -> None:
        """L4."""
        ended = InboundEnded(
            channel_id=ChannelId("sms"),
            event_id=f"end-{self.new_id('e')}",
            end_user=EndUser(address=Address("+4940123")),
            received_at=self.now,
            reason="opted_out",
        )
        self.ok(c.CustomerEnded(ended=ended))

    # ------------------------------------------------------------------------------------------ reading

    @property
    def reps(self) -> list[str]:
        """Who is in, in the order they came."""
        return [p.id for p in self.session.reps]

    def kinds(self, since: int = 0) -> list[str]:
        """The kinds of the entries after that number."""
        return [e.kind.value for e in self.entries if e.number > since]

    def notices(self) -> list[str]:
        """What the customer was told of comings and goings, in this session."""
        return [out.text or "" for out in self.outgoing if out.kind == "notice"]

    def said(self) -> list[str]:
        """What the customer was sent by people, in this session."""
        return [out.text or "" for out in self.outgoing if out.kind == "say"]

    def told(self, type: str) -> list[Signal]:
        """The last step's signals of that type."""
        return [signal for signal in self.signals if signal.type == type]

    def entry(self, kind: str) -> Entry:
        """The newest entry of that kind."""
        return next(e for e in reversed(self.entries) if e.kind.value == kind)


def active(world: World | None = None, *, by: str = "ana") -> Play:
    """A session that this rep has taken."""
    play = Play(world)
    play.customer()
    play.take(by)
    return play


def conference(*logins: str, world: World | None = None) -> Play:
    """A session with these reps in it, the first of whom invited the others."""
    play = active(world, by=logins[0])
    play.join(*logins[1:], inviter=logins[0])
    return play


def customer_sees(entries: Iterable[Entry]) -> list[Entry]:
    """The customer's history."""
    return [entry for entry in entries if entry.visibility is Visibility.everyone]
