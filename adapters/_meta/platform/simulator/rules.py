"""What the simulated Send API refuses: keys, texts, windows, tags; and what differs between the platform's channels.

Sources: Meta for Developers, Messenger Platform, "Send API", "Send messages > Message tags", "Error codes" (read 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from adapters._meta.simulator.graph import graph_error, known_keys
from adapters.simulation import Phone

WINDOW: Final = timedelta(hours=24)
AGENT_WINDOW: Final = timedelta(days=7)
# Answered with an error since April 27 2026.
_GONE_TAGS: Final = {"CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"}
_MESSAGE_KEYS: Final = {"text", "attachment", "quick_replies", "metadata"}
BODY_KEYS: Final = {
    "recipient",
    "messaging_type",
    "tag",
    "message",
    "persona_id",
    "reply_to",
    "notification_type",
    "sender_action",
    "payload",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the channels of the platform."""

    object: str
    inbox_app: str
    max_text: int
    text_in_bytes: bool = False
    personas: bool = False
    deliveries: bool = False
    watermarks: bool = False
    edits: bool = False
    unsends: bool = False
    locations: bool = False
    ascii_names: bool = False
    most_bytes: Mapping[str, int] = field(default_factory=dict)
    upload_fields: Mapping[str, str] = field(default_factory=dict)
    mime_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def check_message(body: dict[str, Any], dialect: Dialect) -> None:
    """Either a text or an attachment, and nothing unknown."""
    message = body.get("message")
    if not isinstance(message, dict) or ("text" in message) == ("attachment" in message):
        raise graph_error(100, "Invalid parameter: a message has either a text or an attachment", subcode=2018047)
    known_keys(message, _MESSAGE_KEYS, "message")
    if "text" in message:
        _check_text(message["text"], dialect)
    elif not isinstance(message["attachment"], dict) or not isinstance(message["attachment"].get("payload"), dict):
        raise graph_error(100, "Invalid parameter: attachment")
    if len(str(message.get("metadata", ""))) > 1000:
        raise graph_error(100, "Length of param message[metadata] must be less than or equal to 1000")


def _check_text(text: Any, dialect: Dialect) -> None:
    if not isinstance(text, str) or not text.strip():
        raise graph_error(100, "param message[text] must be non-empty.")
    if (len(text.encode()) if dialect.text_in_bytes else len(text)) > dialect.max_text:
        raise graph_error(100, f"Length of param message[text] must be less than or equal to {dialect.max_text}")


def check_window(chat: Phone, body: dict[str, Any], now: datetime, *, human_agent: bool) -> None:
    """24 hours since the customer's last message; 7 days with the tag, where the app has the feature."""
    kind, tag = body.get("messaging_type", "RESPONSE"), body.get("tag")
    if kind not in ("RESPONSE", "UPDATE", "MESSAGE_TAG"):
        raise graph_error(100, "Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG}")
    if tag in _GONE_TAGS:
        raise graph_error(100, f"The tag {tag} is no longer supported.", subcode=1893061)
    if (kind == "MESSAGE_TAG") != (tag is not None) or tag not in (None, "HUMAN_AGENT"):
        raise graph_error(100, "Invalid parameter: messaging_type and tag don't fit")
    if tag and not human_agent:
        raise graph_error(10, "To use Human Agent, your use of this endpoint must be reviewed and approved.", subcode=2018065)
    if chat.wrote_at is None or now - chat.wrote_at > (AGENT_WINDOW if tag else WINDOW):
        raise graph_error(10, "This message is sent outside of allowed window.", subcode=2018278)
