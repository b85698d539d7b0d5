"""What of a transcript the simulated org publishes: entries of its broker, as payloads of the platform event. Pure.

A payload of kind Interaction is `{"conversationIdentifier", "channelAddressIdentifier", "recipient", "payload": {"identifier", "entryType", "sender", …,
"entryPayload": {"entryType", "id", …}}}`. What customers said isn't published, since their side knows it; what becomes of their files is.

Source: Salesforce's published schema of conversation events (github.com/salesforce-misc/interaction-service-apis). That schema asks for a `participant` beside the
`entries` of ParticipantChanged: both are written. Which entries come with an auto-response, a request or a flag, and in which order, isn't published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from adapters.envelope import ChoicePart, MediaPart, TextPart
from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.session.model import Actor, Entry, EntryKind, Rep, Role, Session

INTERACTION: Final = "Interaction"
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Whose entries are reported. `reps` by login; `file_url` gives a file's address on the org's file host; `answered` the id of the message that this
    entry answers, if it does; `waiting` how many wait in the session's queue, this one counted."""

    channel: OrgChannel
    conversation: str
    customer: str
    work_item: str
    session: Session
    reps: Mapping[str, Rep]
    file_url: Callable[[MediaPart], str]
    answered: str | None = None
    waiting: int = 1

    @property
    def end_user(self) -> Json:
        """The customer as a participant."""
        return {"appType": "custom", "subject": self.customer, "role": "EndUser"}

    def person(self, actor: Actor) -> Json:
        """A rep, supervisor or bot as a participant."""
        if actor.role is Role.end_user:
            return self.end_user
        rep = self.reps.get(actor.id)
        if actor.role is Role.bot or (rep is not None and rep.kind == "bot"):
            return {"appType": "chatbot", "subject": ids.record_id("0Xx", actor.id), "role": "Chatbot"}
        if actor.role is Role.system:
            return self.system
        supervises = actor.role is Role.supervisor or (rep is not None and rep.supervisor)
        return {"appType": "agent", "subject": ids.user_id(actor.id), "role": "Supervisor" if supervises else "Agent"}

    @property
    def system(self) -> Json:
        """The org itself as a participant."""
        return {"appType": "conversation", "subject": self.work_item, "role": "System"}

    def event(
        self, entry_type: str, entry_id: str, at: datetime, content: Json, *, sender: Json | None = None, name: str = ""
    ) -> Json:
        """The payload of a platform event for one entry."""
        millis = epoch_ms(at)
        return {
            "conversationIdentifier": self.conversation,
            "channelAddressIdentifier": self.channel.address,
            "recipient": self.end_user,
            "payload": {
                "identifier": entry_id,
                "entryType": entry_type,
                "senderDisplayName": name,
                "sender": sender or self.system,
                "clientTimestamp": millis,
                "transcriptedTimestamp": millis,
                "clientDuration": 0,
                "recipients": {"primary": [], "secondary": [], "hidden": []},
                "entryPayload": {"entryType": entry_type, "id": entry_id, **content},
            },
        }


def epoch_ms(at: datetime) -> int:
    """As Salesforce writes times."""
    return int(at.timestamp() * 1000)


def reported(entry: Entry, scene: Scene) -> list[Json]:
    """The events that an entry comes to, in order; the first has the entry's own id."""
    report = _REPORTS.get(entry.kind)
    return list(report(entry, scene)) if report else []


def typing(actor: Actor, on: bool, at: datetime, entry_id: str, scene: Scene) -> Json:
    """A rep started or stopped typing."""
    kind = "TypingStartedIndicator" if on else "TypingStoppedIndicator"
    sender = scene.person(actor)
    return scene.event(kind, entry_id, at, {"timestamp": epoch_ms(at)}, sender=sender, name=actor.name)


def file_settled(entry: Entry, part: MediaPart, state: Mapping[str, Any], at: datetime, entry_id: str, scene: Scene) -> Json:
    """MessageUpdated: how the upload of a customer's file ended. `state` is the file's, see `gateway.brokers.contract.Line`."""
    worked = state.get("state") == "ready"
    result: Json = (
        {"resultType": "CompletedAttachmentUploadResult"}
        if worked
        else {
            "resultType": "ErrorAttachmentUploadResult",
            "errorType": "InternalServerError",
            "errorMessage": str(state.get("reason") or "The file could not be stored."),
        }
    )
    attached = {**_attachment(part, scene), "attachmentUploadResult": result}
    message_id = str(entry.details.get("message_id"))
    updated = {
        "messageType": "StaticContentMessage",
        "id": message_id,
        "staticContent": {"formatType": "Attachments", "attachments": [attached]},
    }
    return scene.event("MessageUpdated", entry_id, at, {"updatedMessage": updated}, sender=scene.end_user)


# --------------------------------------------------------------------------------------------------- of one entry


def _message(entry: Entry, scene: Scene) -> Iterator[Json]:
    sender = entry.sender
    if entry.number == 1:
        yield from _opened(entry, scene)
    if sender is None or sender.role is Role.system or entry.details.get("standby"):
        return  # said before the session, and imported
    if sender.role is Role.end_user:
        yield from _receipt(entry, scene)
        return
    own = ids.entry_id(scene.session.id, entry.number)
    message = _abstract(entry, own, scene)
    content = {"abstractMessage": message, "messageReason": None}
    yield scene.event("Message", own, entry.at, content, sender=scene.person(sender), name=sender.name)


def _receipt(entry: Entry, scene: Scene) -> Iterator[Json]:
    """The org has got a message of the customer's."""
    if not scene.channel.receipts:
        return
    receipt = {
        "recipient": scene.end_user,
        "acknowledgedConversationEntryIdentifier": str(entry.details.get("message_id")),
        "acknowledgementTimestamp": epoch_ms(entry.at),
    }
    yield scene.event("DeliveryAcknowledgement", _part(entry, scene, "receipt"), entry.at, receipt)


def _opened(entry: Entry, scene: Scene) -> Iterator[Json]:
    """A session has begun and waits for a rep."""
    yield _status(entry, scene, "New", "Waiting", ids.entry_id(scene.session.id, entry.number))
    queue = scene.session.queue
    if scene.channel.routing == "partner" or queue is None:
        return
    psr = ids.record_id("0JR", scene.work_item)
    routed = _routing("Initial") | {
        "recordId": scene.work_item,
        "pendingServiceRoutingId": psr,
        "isExternallyRouted": False,
        "routingConfigurationDetails": {"routingConfigurationType": "QueueRoutingType", "queueId": ids.queue_id(queue)},
    }
    yield scene.event("RoutingResult", _part(entry, scene, "routed"), entry.at, routed)
    place = {"pendingServiceRoutingId": psr, "workItemId": scene.work_item, "position": scene.waiting}
    yield scene.event("QueuePosition", _part(entry, scene, "position"), entry.at, place)


def _abstract(entry: Entry, own: str, scene: Scene) -> Json:
    files = [part for part in entry.parts if isinstance(part, MediaPart)]
    texts = [part.text for part in entry.parts if isinstance(part, TextPart)]
    choices = [part for part in entry.parts if isinstance(part, ChoicePart)]
    text = "\n".join(texts) or (entry.text or "" if not files else "")
    message: Json = {"messageType": "StaticContentMessage", "id": own}
    if scene.answered is not None:
        message["inReplyToMessageId"] = scene.answered
    if choices:
        options = [_option(choice) for choice in choices]
        return message | {
            "messageType": "ChoicesMessage",
            "choices": {"formatType": "Buttons", "text": text, "optionItems": options},
        }
    if not files:
        return message | {"staticContent": {"formatType": "Text", "text": text}}
    attached: Json = {"formatType": "Attachments", "attachments": [_attachment(file, scene) for file in files]}
    return message | {"staticContent": attached | ({"text": text} if text else {})}


def _option(choice: ChoicePart) -> Json:
    title = {"itemType": "TitleItem", "title": choice.title}
    return {"itemType": "TitleOptionItem", "optionIdentifier": choice.id or choice.title, "titleItem": title}


def _attachment(part: MediaPart, scene: Scene) -> Json:
    return {
        "id": ids.record_id("068", part.media_id or ""),
        "name": part.name or "file",
        "mimeType": part.mime_type or "application/octet-stream",
        "url": scene.file_url(part),
    }


def _joined(entry: Entry, scene: Scene) -> Iterator[Json]:
    if entry.details.get("reason") == "transferred":
        return  # told with the one who left, by the entry `transferred`
    who = _who(entry, "participant")
    yield _people(entry, scene, ("add", who))
    yield from _work(entry, scene, "Accepted", who, "Conference" if "invitation_id" in entry.details else "Initial")


def _left(entry: Entry, scene: Scene) -> Iterator[Json]:
    if entry.details.get("reason") == "transferred":
        return
    who = _who(entry, "participant")
    yield _people(entry, scene, ("remove", who))
    yield from _work(entry, scene, "Closed", who, None)


def _transferred(entry: Entry, scene: Scene) -> Iterator[Json]:
    giver, taker = _who(entry, "from"), _who(entry, "to")
    yield _people(entry, scene, ("add", taker), ("remove", giver))
    yield from _work(entry, scene, "Transferred", giver, "Transfer")


def _people(entry: Entry, scene: Scene, *changes: tuple[str, Actor]) -> Json:
    entries = [{"operation": operation, "participant": scene.person(who), "displayName": who.name} for operation, who in changes]
    content = {"entries": entries, "participant": entries[0]["participant"]}
    return scene.event("ParticipantChanged", ids.entry_id(scene.session.id, entry.number), entry.at, content)


def _work(entry: Entry, scene: Scene, change: str, who: Actor, routing: str | None) -> Iterator[Json]:
    if not scene.channel.routing_work_result or scene.channel.routing == "partner":
        return  # where a partner routes, the work is theirs (`hosting`)
    content: Json = {
        "workType": change,
        "workId": ids.record_id("0Bz", scene.work_item, who.id),
        "workTargetId": ids.user_id(who.id),
        "errorMessages": [],
    }
    if routing is not None:
        content["routingType"] = routing
    yield scene.event("RoutingWorkResult", _part(entry, scene, "work"), entry.at, content)


def _status_changed(entry: Entry, scene: Scene) -> Iterator[Json]:
    before, after = (str(entry.details.get(end, "")).capitalize() for end in ("from", "to"))
    yield _status(entry, scene, before, after, ids.entry_id(scene.session.id, entry.number))


def _status(entry: Entry, scene: Scene, before: str, after: str, own: str) -> Json:
    content: Json = {
        "sessionId": scene.work_item,
        "channelAddressIdentifier": scene.channel.address,
        "conversationIdentifier": scene.conversation,
        "sessionStatus": after,
        "sessionStatusPrev": before,
        "sessionStartTime": epoch_ms(scene.session.opened_at),
    }
    if after == "Ended":
        content |= {"sessionEndTime": epoch_ms(entry.at), "sessionEndedByRole": _ended_by(entry, scene)}
    return scene.event("SessionStatusChanged", own, entry.at, content)


def _ended_by(entry: Entry, scene: Scene) -> str:
    reason = entry.details.get("reason")
    if reason == "ended_by_supervisor":
        return "Supervisor"
    if entry.sender is None or entry.sender.role is Role.system or reason == "closed":
        return "System"
    return "EndUser" if entry.sender.role is Role.end_user else str(scene.person(entry.sender)["role"])


def _note(entry: Entry, scene: Scene) -> Iterator[Json]:
    yield _internal("Note", entry, scene)


def _flag_raised(entry: Entry, scene: Scene) -> Iterator[Json]:
    yield _internal("FlagRaise", entry, scene)


def _flag_lowered(entry: Entry, scene: Scene) -> Iterator[Json]:
    own = ids.entry_id(scene.session.id, entry.number)
    yield scene.event("FlagLower", own, entry.at, {}, sender=scene.person(entry.sender) if entry.sender else None)


def _internal(kind: str, entry: Entry, scene: Scene) -> Json:
    own = ids.entry_id(scene.session.id, entry.number)
    content = {"formatType": "Text", "text": entry.text or ""}
    message = {"messageType": "StaticContentMessage", "id": own, "staticContent": content}
    sender = scene.person(entry.sender) if entry.sender else None
    name = entry.sender.name if entry.sender else ""
    return scene.event(kind, own, entry.at, {"abstractMessage": message}, sender=sender, name=name)


def _notice(entry: Entry, scene: Scene) -> Iterator[Json]:
    """Only written where the org has an auto-response: then it is an ordinary message of the org's."""
    if not entry.text or entry.details.get("skipped"):
        return
    own = ids.entry_id(scene.session.id, entry.number)
    message = {
        "messageType": "StaticContentMessage",
        "id": own,
        "staticContent": {"formatType": "Text", "text": entry.text},
    }
    content = {"abstractMessage": message, "messageReason": "AutomatedResponse"}
    yield scene.event("Message", own, entry.at, content, name="Automated response")


def _request_closed(entry: Entry, scene: Scene) -> Iterator[Json]:
    """A request for another rep came to nothing."""
    routing = "Transfer" if entry.details.get("purpose") == "transfer" else "Conference"
    if entry.kind is EntryKind.invitation_expired:
        reason = "Unavailable"
    else:
        reason = "EndUserEnded" if entry.details.get("reason") == "ended" else "Cancel"
    content = _routing(routing) | {"failureType": "Cancelled", "cancelReason": reason}
    yield scene.event("RoutingResult", ids.entry_id(scene.session.id, entry.number), entry.at, content)


def _routing(routing: str) -> Json:
    return {"routingType": routing, "failureType": "None", "errorMessages": []}


def _part(entry: Entry, scene: Scene, name: str) -> str:
    """The id of a further entry that comes with this one."""
    return ids.entry_id(f"{scene.session.id}\0{name}", entry.number)


def _who(entry: Entry, name: str) -> Actor:
    return Actor.model_validate(entry.details[name])


_REPORTS: Final[Mapping[EntryKind, Callable[[Entry, Scene], Iterator[Json]]]] = {
    EntryKind.message: _message,
    EntryKind.participant_joined: _joined,
    EntryKind.participant_left: _left,
    EntryKind.transferred: _transferred,
    EntryKind.status_changed: _status_changed,
    EntryKind.whisper: _note,
    EntryKind.flag_raised: _flag_raised,
    EntryKind.flag_lowered: _flag_lowered,
    EntryKind.notice: _notice,
    EntryKind.invitation_expired: _request_closed,
    EntryKind.invitation_withdrawn: _request_closed,
}
