"""Sending on Messenger: texts and files under the rep's persona, notices as the Page itself, typing.

Sources: Meta for Developers, Messenger Platform, "Send API", "Personas", "Send messages" (read 2026).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from adapters._meta.platform import fetching
from adapters._meta.platform import outbound as platform
from adapters.contract import FileRule, Flow, HttpReply, Sent
from adapters.envelope import EndUser, Outbound, Say, Speaker, TypingSignal
from adapters.messenger import wire
from adapters.messenger.account import MessengerAccount

MAX_TEXT: Final = 2000
_MB: Final = 1_000_000

# A picture that is too large for a picture goes as a file. Source: "Send messages > Attachments".
FILES: Final = (
    FileRule(media="image", mime_types=("image/jpeg", "image/png", "image/gif", "image/webp"), max_bytes=8 * _MB),
    FileRule(media="video", max_bytes=25 * _MB),
    FileRule(media="audio", max_bytes=25 * _MB),
    FileRule(media="file", max_bytes=25 * _MB),
)


def send(message: Outbound, account: MessengerAccount, now: datetime) -> Flow[Sent]:
    """Say, notify or show typing."""
    if isinstance(message, TypingSignal):
        return (yield from platform.typing(message, account, now, _known_persona(message, account)))
    how = platform.window(message, account, now)
    content = yield from platform.content_of(message, account, now, FILES, {})
    body = platform.body_of(message, content, how)
    if isinstance(message, Say) and message.speaker:
        return (yield from _as_persona(message, message.speaker, body, account, now))
    reply = yield from platform.deliver(account, body)
    return platform.sent(reply, message, now, {})


def _known_persona(message: TypingSignal, account: MessengerAccount) -> dict[str, str]:
    """Typing is not worth making a persona for."""
    if message.speaker is None:
        return {}
    persona = message.memory.get(wire.memory_key(message.speaker, account))
    return {"persona_id": persona} if isinstance(persona, str) else {}


def _as_persona(message: Say, speaker: Speaker, body: dict[str, Any], account: MessengerAccount, now: datetime) -> Flow[Sent]:
    """Send under the speaker's persona; where Meta knows it no longer, under a new one; where that fails too, as the Page."""
    key = wire.memory_key(speaker, account)
    remembered = message.memory.get(key)
    persona = remembered if isinstance(remembered, str) else wire.read_persona((yield wire.create_call(speaker, account)))
    reply = yield from _under(persona, body, account)
    if persona and wire.persona_refused(reply):
        persona = wire.read_persona((yield wire.create_call(speaker, account, refresh=True)))
        reply = yield from _under(persona, body, account)
        if persona and wire.persona_refused(reply):
            persona = None
            reply = yield from _under(None, body, account)
    return platform.sent(reply, message, now, {key: persona} if persona != remembered else {})


def _under(persona: str | None, body: dict[str, Any], account: MessengerAccount) -> Flow[HttpReply]:
    body.pop("persona_id", None)
    if persona:
        body["persona_id"] = persona
    return (yield from platform.deliver(account, body))


def profile(end_user: EndUser, account: MessengerAccount, now: datetime) -> Flow[EndUser]:
    """Who the customer is, as far as the Page may know."""
    return (yield from fetching.profile(end_user, account, "name,first_name,last_name,profile_pic,locale"))
