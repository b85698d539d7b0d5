"""A small org in memory: conversations, sessions, users and queues, with both routings. Reps act by plain methods.

With Salesforce-owned routing a session waits until a rep is given it by `join`; with partner-owned routing, by work that the partner makes and the rep accepts.
What the org publishes goes to `publish(event type, payload)`, in order.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from gateway.brokers.salesforce.simulator.contract import (
    Acknowledged,
    CancelReason,
    ConsentStatus,
    Conversation,
    CustomerSays,
    History,
    OrgChannel,
    OrgRefusal,
    RouteMade,
    RoutingDone,
    RoutingType,
    Target,
    Upload,
    WorkAsked,
    WorkMade,
    WorkStatus,
)
from gateway.brokers.salesforce.simulator.partner_payloads import interaction
from gateway.brokers.salesforce.simulator.partner_routing import PartnerRouting
from gateway.brokers.salesforce.simulator.partner_values import RepFacts, Step, Talk, Wish
from gateway.brokers.salesforce.simulator.plain_threads import Session, Thread
from gateway.clock import Clock

Publish: TypeAlias = Callable[[str, dict[str, Any]], None]
_FULL: Final = {"ExplicitlyOptedIn", "DoublyOptedIn"}


class PlainOrg:
    """Implements `Org`."""

    def __init__(
        self,
        id: str,
        channels: Sequence[OrgChannel],
        publish: Publish,
        clock: Clock,
        *,
        reps: Sequence[RepFacts] = (),
        queues: frozenset[str] = frozenset(),
        names: Mapping[str, str] | None = None,
    ) -> None:
        """`names`: of users, as customers may know them."""
        self.id = id
        self.channels = {channel.address: channel for channel in channels}
        self.reps = {rep.id: rep for rep in reps}
        self.queues = queues
        self._names = names or {}
        self.threads: dict[str, Thread] = {}
        self.consents: dict[tuple[str, str], ConsentStatus] = {}
        self.registered: dict[str, Mapping[str, object]] = {}
        self.routing = PartnerRouting(self, self._new_id)
        self._of_pair: dict[tuple[str, str], Thread] = {}
        self._of_session: dict[str, Thread] = {}
        self._publish = publish
        self._clock = clock
        self._made = 0

    def _new_id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made:0{15 - len(prefix)}}"

    # ------------------------------------------------------------------------------------------- what routing asks

    def talk(self, work_item: str) -> Talk | None:
        """See `partner_values.World`."""
        thread = self._of_session.get(work_item)
        return self._talk(thread) if thread is not None and thread.open is not None and thread.open.id == work_item else None

    def rep(self, user: str) -> RepFacts | None:
        """See `partner_values.World`."""
        return self.reps.get(user)

    def queue(self, id: str) -> bool:
        """See `partner_values.World`."""
        return id in self.queues

    def _talk(self, thread: Thread) -> Talk:
        channel = self.channels[thread.address]
        consent = self.consents.get((thread.address, thread.customer))
        opted_in = not channel.explicit_consent or consent in _FULL
        return Talk(thread.id, thread.sessions[-1].id if thread.sessions else "", thread.customer, channel, opted_in)

    def _open_talk(self, conversation: Conversation) -> Talk:
        thread = self.threads[conversation.id]
        if thread.open is None:
            raise OrgRefusal(10071)
        return self._talk(thread)

    # ------------------------------------------------------------------------------------------- conversations

    @property
    def definitions(self) -> frozenset[str]:
        """See `Org`."""
        return frozenset(one.definition for one in self.channels.values() if one.definition is not None)

    def channel(self, address: str) -> OrgChannel | None:
        """See `Org`."""
        return self.channels.get(address)

    async def converse(self, address: str, customer: str, attributes: Mapping[str, str]) -> Conversation:
        """See `Org`."""
        thread = self._thread(address, customer)
        thread.attributes |= attributes
        if thread.open is None:
            self._begin(thread)
        return thread.value

    def _thread(self, address: str, customer: str) -> Thread:
        found = self._of_pair.get((address, customer))
        if found is None:
            found = Thread(str(uuid.uuid4()), address, customer)
            self.threads[found.id] = self._of_pair[address, customer] = found
        return found

    def _begin(self, thread: Thread) -> Session:
        session = Session(self._new_id("0Mw"), "New")
        thread.sessions.append(session)
        self._of_session[session.id] = thread
        return session

    def _status(self, thread: Thread, session: Session, status: str, ended_by: str | None = None) -> None:
        before, session.status = session.status, status
        content: dict[str, Any] = {
            "sessionId": session.id,
            "channelAddressIdentifier": thread.address,
            "conversationIdentifier": thread.id,
            "sessionStatus": status,
            "sessionStatusPrev": before,
            "sessionStartTime": int(self._clock().timestamp()),
        }
        self._emit(thread, "SessionStatusChanged", content | ({"sessionEndedByRole": ended_by} if ended_by else {}))

    def _emit(self, thread: Thread, entry_type: str, content: Mapping[str, Any], **about: Any) -> str:
        entry_id = str(uuid.uuid4())
        self._publish(*interaction(self._talk(thread), entry_type, content, entry_id, self._clock(), **about))
        return entry_id

    async def conversation(self, id: str) -> Conversation | None:
        """See `Org`."""
        thread = self.threads.get(id)
        return thread.value if thread is not None else None

    async def said(self, conversation: Conversation, says: CustomerSays) -> None:
        """See `Org`."""
        thread = self.threads[conversation.id]
        thread.entries.append(says)
        thread.typing = False
        session = thread.open or self._begin(thread)
        if session.status == "New":
            self._status(thread, session, "Waiting")
            if self.channels[thread.address].routing == "partner":
                self._apply(thread, self.routing.ask(self._talk(thread), "Initial", self._clock()))
        if isinstance(says.content, Upload):
            self._file_settled(thread, says, says.content)

    def _file_settled(self, thread: Thread, says: CustomerSays, file: Upload) -> None:
        attachment = {
            "id": says.entry_id,
            "name": file.name,
            "mimeType": file.mime_type,
            "url": f"https://files.example.com/{says.entry_id}",
            "attachmentUploadResult": {"resultType": "CompletedAttachmentUploadResult"},
        }
        static = {"formatType": "Attachments", "attachments": [attachment]}
        updated = {"messageType": "StaticContentMessage", "id": says.entry_id, "staticContent": static}
        self._emit(thread, "MessageUpdated", {"updatedMessage": updated})

    async def typing(self, conversation: Conversation, on: bool) -> None:
        """See `Org`."""
        if not self.channels[conversation.address].typing_disabled:
            self.threads[conversation.id].typing = on

    async def not_delivered(self, conversation: Conversation, entry_id: str, code: str, message: str | None) -> None:
        """See `Org`."""
        self.threads[conversation.id].failures.append((entry_id, code))

    async def acknowledged(self, conversation: Conversation, receipts: Sequence[Acknowledged]) -> None:
        """See `Org`."""
        self.threads[conversation.id].receipts.extend(receipts)

    async def history(self, address: str, history: History) -> Conversation:
        """See `Org`."""
        customer = next(one.subject for one in history.participants if one.role == "EndUser")
        thread = self._thread(address, customer)
        if history.session_id is not None and all(one.id != history.session_id for one in thread.sessions):
            raise OrgRefusal(10071)
        if {one.entry_id for one in thread.entries} & {one.entry_id for one in history.entries}:
            raise OrgRefusal(10073)
        thread.entries[:0] = history.entries
        if thread.open is None:
            self._begin(thread)
        return thread.value

    async def end(
        self, conversation: Conversation, operation: Literal["End", "Inactivate"], by: str, session_id: str | None
    ) -> str | None:
        """See `Org`."""
        thread = self.threads[conversation.id]
        if session_id is not None and all(one.id != session_id for one in thread.sessions):
            return "SESSION_NOT_FOUND"
        if thread.open is None:
            return "ACTIVE_CONVERSATION_NOT_FOUND"
        if operation == "Inactivate":
            self._status(thread, thread.open, "Inactive")
        else:
            self._end(thread, thread.open, by)
        return None

    def _end(self, thread: Thread, session: Session, by: str) -> None:
        self._apply(thread, self.routing.ended(self._talk(thread), self._clock(), by_end_user=by == "EndUser"))
        self._status(thread, session, "Ended", by)
        session.reps.clear()

    async def consent(self, address: str, customer: str, status: ConsentStatus) -> None:
        """See `Org`."""
        if (address, customer) not in self._of_pair:
            raise OrgRefusal(10105)
        self.consents[address, customer] = status

    async def capabilities(self, definition: str, capabilities: Mapping[str, object]) -> None:
        """See `Org`."""
        self.registered[definition] = capabilities

    # ------------------------------------------------------------------------------------------- the partner routes

    def _apply(self, thread: Thread, step: Step) -> None:
        for event_type, payload in step.published:
            self._publish(event_type, payload)
        session = thread.open
        if session is None:
            return
        for user in step.joined:
            self._enter(thread, session, user)
        for user in step.left:
            if user in session.reps:
                session.reps.remove(user)
                self._changed(thread, "remove", user)

    async def route(self, conversation: Conversation, routing: RoutingType, target: Target) -> RouteMade:
        """See `Org`."""
        made, step = self.routing.route(self._open_talk(conversation), routing, target, self._clock())
        self._apply(self.threads[conversation.id], step)
        return made

    async def unroute(self, conversation: Conversation, reason: CancelReason) -> None:
        """See `Org`."""
        step = self.routing.unroute(self._open_talk(conversation), reason, self._clock())
        self._apply(self.threads[conversation.id], step)

    async def agent_work(self, asked: WorkAsked) -> WorkMade:
        """See `Org`."""
        made, step = self.routing.agent_work(asked, self._clock())
        self._apply(self.threads[made.context.conversation], step)
        return made

    async def close_agent_work(self, work_id: str, status: WorkStatus) -> None:
        """See `Org`."""
        step = self.routing.close(work_id, status, self._clock())
        self._apply(self.threads[self.routing.works[work_id].talk.conversation], step)

    async def routing_result(self, done: RoutingDone) -> None:
        """See `Org`."""
        step = self.routing.routing_result(done, self._clock())
        self._apply(self.threads[done.conversation], step)

    async def remove(self, conversation: Conversation, user: str) -> None:
        """See `Org`."""
        step = self.routing.remove(self._open_talk(conversation), user, self._clock())
        self._apply(self.threads[conversation.id], step)

    # ------------------------------------------------------------------------------------------- at the console

    def accept(self, work_id: str) -> None:
        """A rep takes work that was assigned."""
        thread = self.threads[self.routing.works[work_id].talk.conversation]
        self._apply(thread, self.routing.accept(work_id, self._clock()))

    def decline(self, work_id: str) -> None:
        """A rep doesn't take it."""
        thread = self.threads[self.routing.works[work_id].talk.conversation]
        self._apply(thread, self.routing.decline(work_id, self._clock()))

    def ask(self, conversation: str, by: str, routing: RoutingType, wish: Wish) -> None:
        """A rep wants to transfer the session, or to add somebody, where the partner routes."""
        thread = self.threads[conversation]
        self._apply(thread, self.routing.ask(self._talk(thread), routing, self._clock(), by=by, wish=wish))

    def pass_time(self) -> None:
        """What is late at the clock's time is marked failed."""
        for event_type, payload in self.routing.due(self._clock()).published:
            self._publish(event_type, payload)

    def join(self, conversation: str, user: str) -> None:
        """Salesforce's own routing gives the session to a rep, or adds one."""
        thread = self.threads[conversation]
        session = thread.open
        if session is None or user not in self.reps:
            raise OrgRefusal(10036)
        self._enter(thread, session, user)

    def leave(self, conversation: str, user: str) -> None:
        """A rep leaves; the session stays open."""
        thread = self.threads[conversation]
        self._apply(thread, replace(self.routing.leave(self._talk(thread), user, self._clock()), left=(user,)))

    def swap(self, conversation: str, giver: str, taker: str) -> None:
        """A transfer, published as one step."""
        thread = self.threads[conversation]
        session = thread.open
        if session is None or giver not in session.reps:
            raise OrgRefusal(10036)
        session.reps[session.reps.index(giver)] = taker
        changes = [("add", taker), ("remove", giver)]
        entries = [
            {"operation": operation, "participant": _agent(user), "displayName": self._name(user)} for operation, user in changes
        ]
        self._emit(thread, "ParticipantChanged", {"participant": _agent(taker), "entries": entries})

    def emit(self, conversation: str, entry_type: str, content: Mapping[str, Any]) -> str:
        """Any other entry; its id."""
        return self._emit(self.threads[conversation], entry_type, content)

    def say(self, conversation: str, user: str, text: str) -> str:
        """A rep writes to the customer; the entry's id."""
        return self.publish(conversation, user, "Message", static_text(text))

    def publish(self, conversation: str, user: str, entry_type: str, message: Mapping[str, Any], **about: Any) -> str:
        """An entry of a rep's with an abstractMessage in it, be it a Message or a Note; its id. `about`: other members of the entry."""
        thread, entry_id = self.threads[conversation], str(uuid.uuid4())
        content = {"abstractMessage": {"id": entry_id, **message}, **about}
        talk, sender = self._talk(thread), _agent(user)
        self._publish(*interaction(talk, entry_type, content, entry_id, self._clock(), sender=sender, name=self._name(user)))
        return entry_id

    def _name(self, user: str) -> str:
        return self._names.get(user, user)

    def finish(self, conversation: str) -> None:
        """A rep ends the session."""
        thread = self.threads[conversation]
        if thread.open is not None:
            self._end(thread, thread.open, "Agent")

    def _enter(self, thread: Thread, session: Session, user: str) -> None:
        session.reps.append(user)
        self._changed(thread, "add", user)
        if session.status != "Active":
            self._status(thread, session, "Active")

    def _changed(self, thread: Thread, operation: str, user: str) -> None:
        change = {"operation": operation, "participant": _agent(user), "displayName": self._name(user)}
        self._emit(thread, "ParticipantChanged", {"participant": _agent(user), "entries": [change]})


def static_text(text: str) -> dict[str, Any]:
    """An abstractMessage that says this."""
    return {"messageType": "StaticContentMessage", "staticContent": {"formatType": "Text", "text": text}}


def _agent(user: str) -> dict[str, str]:
    return {"appType": "agent", "subject": user, "role": "Agent"}
