"""What customers are to see, as calls to the API; and their files, fetched from it.

A flow yields the calls that it wants made and is sent the answers; it may be run again from its start after a crash, so that only its
last call may be visible to the customer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from adapters.contract import Fetched, Flow, HttpCall, Sent, json_call
from adapters.envelope import MediaPart, Notice, Outbound, TypingSignal
from adapters.reading import answer_of, optional, text
from adapters.replies import THROTTLED, dead, failure, fetched
from gateway.new_channel.template.account import ExampleAccount

MAX_TEXT: Final = 2000

# The provider's own codes; what isn't listed is judged by its HTTP status (adapters/replies.py).
FAILURES: Final = {
    "unknown_user": dead("recipient_unreachable"),
    "blocked": dead("blocked"),
    "text_too_long": dead("too_long"),
    "slow_down": THROTTLED,
}


def send(message: Outbound, account: ExampleAccount, now: datetime) -> Flow[Sent]:
    """One message; `message.text` fits the channel already, the speaker's name before it. Raises SendFailed."""
    shows = not isinstance(message, TypingSignal)
    reply = yield json_call("POST", f"{account.api_base}/messages", _body(message), _auth(account), visible=shows)
    if reply.status != 200:
        raise failure(reply, now, table=FAILURES, provider_code=optional(answer_of(reply), "code"))
    message_id = optional(answer_of(reply), "id")
    return Sent(message_ids=(message_id,) if message_id else ())


def _body(message: Outbound) -> dict[str, Any]:
    to = {"to": message.to, "ref": message.id}
    if isinstance(message, TypingSignal):
        return {**to, "type": "typing", "on": message.on}
    if isinstance(message, Notice):
        return {**to, "type": "notice", "text": message.text}
    if message.file:
        return {**to, "type": "image", "url": message.file.url, "name": message.file.name}
    return {**to, "type": "text", "text": message.text}


def media(part: MediaPart, account: ExampleAccount, now: datetime) -> Flow[Fetched]:
    """The file at the address that the webhook named; `foreign`, so that it can't lead inside our network. Raises SendFailed."""
    reply = yield HttpCall("GET", text(part.source, "url"), foreign=True, timeout_seconds=60, max_reply_bytes=25_000_000)
    return fetched(reply, part, now)


def _auth(account: ExampleAccount) -> dict[str, str]:
    return {"authorization": f"Bearer {account.token.get_secret_value()}"}
