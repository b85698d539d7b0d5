"""What customers answer with pickers, quick replies, forms and sign-ins.

The reply holds only what was chosen. `replyMessage.title` is what the customer's own phone shows, and so the safe text; a single
choice's own title says more. Each choice's `id` is the item's identifier, and `fields.request` the `requestIdentifier` of the question.
A sign-in's token stays out of the parts: it is nothing for a transcript.
Source: Apple, "Type interactive", "List picker", "Time picker", "Quick reply", "Form", "Authentication".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from pydantic import JsonValue

from adapters.apple.wire import BALLOON, SESSION, count, file_source, objects, section, words
from adapters.envelope import ChoicePart, MediaPart, MediaState, Part, TextPart, UnknownPart
from adapters.signing import sha256_hex


def answer_parts(interactive: Mapping[str, Any]) -> list[Part]:
    """The choices made, or an unknown part with the words that the phone shows."""
    inner = section(interactive, "data")
    for name, read in _READERS.items():
        if isinstance(inner.get(name), dict):
            parts = read(inner, section(inner, name))
            return list(parts) or [_as_shown(name, interactive)]
    return [_as_shown("interactive" if words(interactive, "bid") in (None, BALLOON) else "app", interactive)]


def reference_parts(reference: Mapping[str, Any]) -> list[Part]:
    """A large answer: its title at once, or words that stand for it, and the answer itself as a file to fetch."""
    where = file_source(reference)
    title = words(reference, "title")
    bid = words(reference, "bid") or BALLOON
    answer = MediaPart(
        state=MediaState.pending if where else MediaState.failed,
        mime_type="application/json",
        name="answer.json",
        size_bytes=count(reference, "size"),
        source={**where, "bid": bid} if where else {},
        reason=None if where else "Apple's message lacks the fields needed to fetch the answer",
    )
    words_for_it = "[an answer that is too large to be included; the choice is in the file]"
    first: Part = ChoicePart(title=title) if title else UnknownPart(provider_type="large_answer", fallback=words_for_it)
    return [first, answer]


def name_of_answer(interactive: Mapping[str, Any]) -> str:
    """A file name that says what was chosen, as far as it is known: `Blue mug, L.json`."""
    told = [part.plain for part in answer_parts(interactive) if not part.plain.startswith("[")]  # a label says nothing
    name = re.sub(r"[\x00-\x1f\x7f/\\\\:]+", " ", ", ".join(told)).strip(" .")
    return f"{name[:80].strip()}.json" if name else "answer.json"


def same_answer_id(interactive: Mapping[str, Any]) -> str | None:
    """An id that two deliveries of one answer share, though Apple gave them different ones; None without a session."""
    session = words(interactive, SESSION)
    if session is None:
        return None
    content = json.dumps(interactive, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace")
    return f"answer:{session}:{sha256_hex(content)[:32]}"


def _shown(interactive: Mapping[str, Any], *places: str) -> str | None:
    """The title that the customer's phone shows; it is beside `data` or within it."""
    inner = section(interactive, "data")
    for place in places:
        for holder in (inner, interactive):
            title = words(section(holder, place), "title", "alternateTitle", "subtitle")
            if title:
                return title
    return None


def _as_shown(kind: str, interactive: Mapping[str, Any]) -> UnknownPart:
    name = words(interactive, "appName")
    label = f"[{name}]" if name else _LABELS.get(kind, "[interactive message]")
    return UnknownPart(provider_type=kind, fallback=_shown(interactive, "replyMessage", "receivedMessage") or label)


def _request(inner: Mapping[str, Any]) -> dict[str, JsonValue]:
    request = words(inner, "requestIdentifier")
    return {"request": request} if request else {}


def _list(inner: Mapping[str, Any], picker: Mapping[str, Any]) -> list[Part]:
    chosen = [item for one in objects(picker, "sections") for item in objects(one, "items")]
    return [_item(inner, item) for item in chosen if words(item, "title", "identifier")]


def _item(inner: Mapping[str, Any], item: Mapping[str, Any]) -> ChoicePart:
    return ChoicePart(
        id=words(item, "identifier"),
        title=words(item, "title", "identifier") or "",
        description=words(item, "subtitle"),
        fields=_request(inner),
    )


def _quick(inner: Mapping[str, Any], reply: Mapping[str, Any]) -> list[Part]:
    items, index = objects(reply, "items"), count(reply, "selectedIndex")
    wanted = words(reply, "selectedIdentifier")
    chosen = [item for item in items if wanted and words(item, "identifier") == wanted]
    if not chosen and index is not None:
        chosen = items[index : index + 1]
    return [_item(inner, item) for item in chosen if words(item, "title", "identifier")]


def _time(inner: Mapping[str, Any], event: Mapping[str, Any]) -> list[Part]:
    return [_slot(inner, event, slot) for slot in objects(event, "timeslots") if words(slot, "startTime", "identifier")]


def _slot(inner: Mapping[str, Any], event: Mapping[str, Any], slot: Mapping[str, Any]) -> ChoicePart:
    start, duration = words(slot, "startTime") or "", count(slot, "duration")
    fields = _request(inner) | {"startTime": start} | ({"duration": duration} if duration is not None else {})
    title = _local(start, event.get("timezoneOffset")) or words(slot, "identifier") or ""
    return ChoicePart(id=words(slot, "identifier"), title=title, description=words(event, "title"), fields=fields)


def _local(start: str, offset_minutes: object) -> str:
    """The slot as people read it, in the event's own time zone (`timezoneOffset`: minutes from GMT)."""
    try:
        moment = datetime.strptime(start, "%Y-%m-%dT%H:%M%z")
        if isinstance(offset_minutes, int):
            moment = moment.astimezone(timezone(timedelta(minutes=offset_minutes)))
    except (ValueError, OverflowError):
        return start
    return moment.strftime("%Y-%m-%d %H:%M %z")


def _form(inner: Mapping[str, Any], form: Mapping[str, Any]) -> list[Part]:
    told: list[str] = []
    fields: dict[str, JsonValue] = {}
    for page in objects(form, "selections"):
        values = [value for item in objects(page, "items") if (value := words(item, "value", "title"))]
        seen = [value for item in objects(page, "items") if (value := words(item, "title", "value"))]
        name = words(page, "pageIdentifier", "title") or f"page {len(fields) + 1}"
        fields[name] = values[0] if len(values) == 1 else [*values]
        told.append(f"{words(page, 'title') or name}: {', '.join(seen)}")
    if not fields:
        return []
    title = words(section(inner, "replyMessage"), "title") or "Form"
    choice = ChoicePart(id=words(inner, "requestIdentifier"), title=title, fields=fields)
    return [choice, TextPart(text="\n".join(told))]  # as words too, for readers that show a choice's title alone


def _sign_in(inner: Mapping[str, Any], sign_in: Mapping[str, Any]) -> list[Part]:
    status = words(sign_in, "status") or ("failed" if sign_in.get("errors") else "unknown")
    title = "Signed in" if status == "authenticated" else f"Sign-in: {status}"
    return [ChoicePart(id=words(inner, "requestIdentifier"), title=title, fields={"status": status})]


def _nothing(inner: Mapping[str, Any], content: Mapping[str, Any]) -> list[Part]:
    return []


_Reader = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Any]]
_READERS: Final[Mapping[str, _Reader]] = {
    "listPicker": _list,
    "quick-reply": _quick,
    "event": _time,
    "dynamic": _form,
    "authenticate": _sign_in,
    "payment": _nothing,  # no form of ours; the words on the phone say how it went
}
_LABELS: Final = {"payment": "[Apple Pay]", "listPicker": "[list picker]", "event": "[time picker]", "dynamic": "[form]"}
