"""Personas, the one thing of Messenger's JSON that Instagram doesn't share; the rest is in `adapters/_meta/platform/wire.py`.

Source: Meta for Developers, Messenger Platform, "Personas" (April 2026). Name and picture can't be changed later, so both are part of the
key that an id is remembered by: a rep with a new picture gets a new persona.
"""

from __future__ import annotations

from typing import Any

from adapters._meta import graph
from adapters._meta.webhook import digest_of, text_of
from adapters.contract import HttpCall, HttpReply
from adapters.envelope import Speaker
from adapters.messenger.account import MessengerAccount

MAX_NAME = 50
_CACHE_SECONDS = 30 * 86_400.0


def memory_key(speaker: Speaker, account: MessengerAccount) -> str:
    """Where the conversation's memory keeps the persona of this speaker, as the speaker is now."""
    return f"persona:{digest_of(account.page_id, speaker.id, speaker.name, _picture(speaker, account))}"


def create_call(speaker: Speaker, account: MessengerAccount, *, refresh: bool = False) -> HttpCall:
    """Make a persona, or learn the one made before."""
    body: dict[str, Any] = {"name": speaker.name}
    if picture := _picture(speaker, account):
        body["profile_picture_url"] = picture
    return graph.post(account, f"{account.page_id}/personas", body, visible=False, cache_seconds=_CACHE_SECONDS, refresh=refresh)


def _picture(speaker: Speaker, account: MessengerAccount) -> str | None:
    return speaker.avatar_url or account.persona_picture_url


def read_persona(reply: HttpReply) -> str | None:
    """The persona's id; None where Meta refused."""
    return text_of(graph.content(reply).get("id")) if graph.good(reply) else None


def persona_refused(reply: HttpReply) -> bool:
    """Whether a send was refused for its persona: deleted, or of another Page."""
    error = graph.error_of(reply)
    return error is not None and error.code.partition("/")[0] == "100" and "persona" in error.message.lower()
