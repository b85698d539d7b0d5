"""Fetching from LINE: the files that customers sent, and who the customers are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote

from adapters.contract import Fetched, Flow, HttpCall, HttpReply
from adapters.envelope import EndUser, MediaPart
from adapters.errors import SendFailed, Verdict
from adapters.line import tokens, wire
from adapters.line.account import LineAccount
from adapters.line.outbound import MEANINGS
from adapters.replies import failure


def media(part: MediaPart, account: LineAccount, now: datetime) -> Flow[Fetched]:
    """Fetch a customer's file. LINE deletes files after an undocumented time, so this is done at once."""
    source = part.source
    if isinstance(url := source.get("url"), str):
        reply = yield HttpCall("GET", url, foreign=True, max_reply_bytes=account.max_media_bytes)
    elif isinstance(sticker := source.get("sticker_id"), str):
        reply = yield HttpCall(
            "GET", f"{account.sticker_base}/stickershop/v1/sticker/{quote(sticker, safe='')}/android/sticker.png"
        )
    else:
        message_id = quote(str(source.get("message_id", "")), safe="")
        reply = yield from _content(f"{account.data_base}/v2/bot/message/{message_id}/content", account, now)
    if reply.status in (404, 410):
        raise SendFailed(Verdict.dead, "media_gone", provider_code=f"http_{reply.status}")
    if reply.status != 200:
        raise failure(reply, now, table=MEANINGS, provider_code=wire.error_code(reply))
    mime_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(reply.body, mime_type or part.mime_type, part.name)


def _content(url: str, account: LineAccount, now: datetime) -> Flow[HttpReply]:
    """A large video or sound is prepared first: 202 until it is done. Source: "Get content", "Verify the preparation status"."""
    get = _getter(url, max_reply_bytes=account.max_media_bytes)
    reply = yield from tokens.call(account, now, get)
    if reply.status != 202:
        return reply
    state = wire.read_json((yield from tokens.call(account, now, _getter(f"{url}/transcoding"))))
    if state.get("status") == "failed":
        raise SendFailed(Verdict.dead, "media_gone", provider_code="transcoding_failed")
    if state.get("status") == "succeeded":
        reply = yield from tokens.call(account, now, get)
    if reply.status == 202:
        again_at = now + timedelta(seconds=5)
        raise SendFailed(Verdict.again, "media_not_ready", again_at=again_at)
    return reply


def _getter(url: str, *, max_reply_bytes: int = 1_048_576, cache_seconds: float = 0.0) -> Callable[[str], HttpCall]:
    def get(token: str) -> HttpCall:
        headers = tokens.authorised(token)
        return HttpCall("GET", url, headers=headers, max_reply_bytes=max_reply_bytes, cache_seconds=cache_seconds)

    return get


def profile(end_user: EndUser, account: LineAccount, now: datetime) -> Flow[EndUser]:
    """Name and picture of a friend of the account. LINE answers 404 for strangers and for those who blocked the account."""
    url = f"{account.api_base}/v2/bot/profile/{quote(end_user.address, safe='')}"
    reply = yield from tokens.call(account, now, _getter(url, cache_seconds=86_400))
    if reply.status == 404:
        return end_user
    if reply.status != 200:
        raise failure(reply, now, table=MEANINGS, provider_code=wire.error_code(reply))
    found = wire.read_json(reply)
    status = wire.optional(found, "statusMessage")
    return end_user.model_copy(
        update={
            "name": wire.optional(found, "displayName") or end_user.name,
            "avatar_url": wire.optional(found, "pictureUrl") or end_user.avatar_url,
            "locale": wire.optional(found, "language") or end_user.locale,
            "profile": {**end_user.profile, **({"status_message": status} if status else {})},
        }
    )
