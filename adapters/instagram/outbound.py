"""Sending on Instagram: texts, files, notices, typing. It has no personas, so a prefix names who speaks.

Sources: Meta for Developers, Instagram Messaging, "Send messages", "Human agent" (read 2026).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters._meta.platform import fetching
from adapters._meta.platform import outbound as platform
from adapters.contract import Flow, Sent
from adapters.envelope import EndUser, Notice, Outbound, Say, TypingSignal
from adapters.instagram import wire
from adapters.instagram.account import InstagramAccount

_UPLOAD: Final = {"platform": "instagram"}


def send(message: Outbound, account: InstagramAccount, now: datetime) -> Flow[Sent]:
    """Say, notify or show typing."""
    if isinstance(message, TypingSignal):
        return (yield from platform.typing(message, account, now, {}))
    how = platform.window(message, account, now)
    content = yield from platform.content_of(_named(message), account, now, wire.FILES, _UPLOAD)
    reply = yield from platform.deliver(account, platform.body_of(message, content, how))
    return platform.sent(reply, message, now, {})


def _named(message: Say | Notice) -> Say | Notice:
    """The same with a file name that Instagram takes."""
    if isinstance(message, Notice) or message.file is None:
        return message
    file = message.file.model_copy(update={"name": wire.plain_name(message.file.name)})
    return message.model_copy(update={"file": file})


def profile(end_user: EndUser, account: InstagramAccount, now: datetime) -> Flow[EndUser]:
    """Who the customer is; Instagram tells it of people who have written."""
    return (yield from fetching.profile(end_user, account, "name,username,profile_pic"))
