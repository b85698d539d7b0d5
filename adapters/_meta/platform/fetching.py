"""Fetching the customer's files, and what Meta says of the customer.

Sources: Meta for Developers, Messenger Platform, "Webhooks reference > messages", "User profile" (read 2026).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters._meta import graph
from adapters._meta.account import PlatformAccount
from adapters._meta.platform import people
from adapters._meta.platform.failures import ERRORS
from adapters._meta.webhook import text_of
from adapters.contract import Fetched, Flow, HttpCall
from adapters.envelope import EndUser, MediaPart
from adapters.errors import SendFailed, Verdict

_PROFILE_SECONDS: Final = 86_400.0
_MOST_BYTES: Final = 100_000_000


def media(part: MediaPart, account: PlatformAccount, now: datetime) -> Flow[Fetched]:
    """Fetch a customer's file. The address is signed, needs no token, and soon dies for good."""
    address = text_of(part.source.get("url"))
    if address is None:
        raise SendFailed(Verdict.dead, "media_gone")
    foreign = not address.startswith(account.api_base + "/")
    headers = {"user-agent": "byoc-gateway"}
    reply = yield HttpCall("GET", address, headers, foreign=foreign, timeout_seconds=120.0, max_reply_bytes=_MOST_BYTES)
    if 400 <= reply.status < 500 and reply.status not in (408, 425, 429):
        raise SendFailed(Verdict.dead, "media_gone", provider_code=f"http_{reply.status}")
    if reply.status != 200:
        raise graph.refused(reply, now, ERRORS)
    return Fetched(reply.body, mime_type=part.mime_type or reply.headers.get("content-type"), name=part.name)


def profile(end_user: EndUser, account: PlatformAccount, fields: str) -> Flow[EndUser]:
    """Name and picture, where the app may know them; the same end user where not (`{}`, or an error)."""
    if not people.has_profile(end_user):
        return end_user
    call = graph.get(account, end_user.address, {"fields": fields}, cache_seconds=_PROFILE_SECONDS)
    reply = yield call
    if not graph.good(reply):
        return end_user
    told = graph.content(reply)
    both = " ".join(filter(None, (text_of(told.get("first_name")), text_of(told.get("last_name")))))
    news = {
        "name": text_of(told.get("name")) or both or end_user.name,
        "username": text_of(told.get("username")) or end_user.username,
        "avatar_url": text_of(told.get("profile_pic")) or end_user.avatar_url,
        "locale": text_of(told.get("locale")) or end_user.locale,
    }
    return end_user.model_copy(update=news)
