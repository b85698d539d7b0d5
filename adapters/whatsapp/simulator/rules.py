"""What the simulated Cloud API refuses at once, and how WhatsApp writes numbers.

Sources: Meta for Developers, WhatsApp Cloud API, "Send messages", "Media > Supported media types", "Error codes" (read 2026).
"""

from __future__ import annotations

from typing import Any, Final

from adapters._meta.simulator.graph import graph_error, known_keys

_MB: Final = 1024 * 1024
MOST_BYTES: Final = {"image": 5 * _MB, "video": 16 * _MB, "audio": 16 * _MB, "sticker": _MB // 2, "document": 100 * _MB}
_KEYS: Final = {"messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"}
_CAPTIONED: Final = {"image", "video", "document"}
_KINDS: Final = {
    **dict.fromkeys(("image/jpeg", "image/png"), "image"),
    **dict.fromkeys(("video/mp4", "video/3gpp"), "video"),
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"), "audio"),
    "image/webp": "sticker",
}
# In the order in which the Cloud API's own refusal lists them (quoted in many bug reports since 2023).
_UPLOADS: Final = (
    "audio/aac",
    "audio/mp4",
    "audio/mpeg",
    "audio/amr",
    "audio/ogg",
    "audio/opus",
    "application/vnd.ms-powerpoint",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/pdf",
    "text/plain",
    "application/vnd.ms-excel",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/3gpp",
)


def check_upload(mime_type: str) -> None:
    """Refuse a type that uploads don't take. Opus passes here, and is refused when a message names it: see `check_sound`."""
    bare = mime_type.partition(";")[0].strip().lower()
    if bare not in _UPLOADS:
        listed = ", ".join(_UPLOADS)
        raise graph_error(
            100, f"Param file must be a file with one of the following types: {listed}. Received file of type '{bare}'."
        )


def check_sound(mime_type: str) -> None:
    """Refuse Opus under its own name: a sound message takes it as Ogg alone."""
    if mime_type.partition(";")[0].strip().lower() == "audio/opus":
        known = "audio/ogg; codecs=opus, audio/mpeg, audio/amr, audio/mp4, audio/aac"
        why = f"Unsupported Audio mime type audio/opus. Please use one of {known}."
        raise graph_error(131053, "Media upload error", data=details(why))


def kind_of(mime_type: str) -> str | None:
    """The message type that carries such a file as what it is; anything else with a well-formed type is a document."""
    bare = mime_type.partition(";")[0].strip().lower()
    return _KINDS.get(bare) or ("document" if "/" in bare else None)


def canonical(number: str) -> str:
    """The number as WhatsApp knows it: Brazil's ninth digit put in, Mexico's and Argentina's mobile digit left out."""
    digits = number.removeprefix("+")
    if digits.startswith("55") and len(digits) == 12:
        return f"{digits[:4]}9{digits[4:]}"
    if digits.startswith("549"):
        return f"54{digits[3:]}"
    return f"52{digits[3:]}" if digits.startswith("521") and len(digits) == 13 else digits


def details(text: str) -> dict[str, str]:
    """The `error_data` of WhatsApp's errors."""
    return {"messaging_product": "whatsapp", "details": text}


def check_message(body: dict[str, Any], kind: str) -> None:
    """Refuse unknown keys, a missing recipient, texts that are too long."""
    if kind not in ("text", *MOST_BYTES):
        raise graph_error(131051, "Unsupported message type", data=details(f"Message type {kind} is not supported."))
    known_keys(body, {*_KEYS, kind}, "body")
    if not body.get("to") and not body.get("recipient"):
        raise graph_error(131008, "Required parameter is missing", data=details("Parameter 'to' is mandatory"))
    if len(str(body.get("biz_opaque_callback_data", ""))) > 512:
        raise graph_error(
            131009, "Parameter value is not valid", data=details("biz_opaque_callback_data has over 512 characters")
        )
    content = body.get(kind)
    if not isinstance(content, dict):
        raise graph_error(131008, "Required parameter is missing", data=details(f"Parameter '{kind}' is mandatory"))
    if kind == "text":
        _check_text(content)
    else:
        _check_media(content, kind)


def _check_text(content: dict[str, Any]) -> None:
    known_keys(content, {"body", "preview_url"}, "text")
    if not isinstance(content.get("body"), str) or not content["body"].strip():
        raise graph_error(100, "The parameter text['body'] is required.")
    if len(content["body"]) > 4096:
        raise graph_error(100, "Param text['body'] must be at most 4096 characters long.")


def _check_media(content: dict[str, Any], kind: str) -> None:
    allowed = {"id", "link"} | ({"caption"} if kind in _CAPTIONED else set())
    known_keys(content, allowed | ({"filename"} if kind == "document" else {"voice"} if kind == "audio" else set()), kind)
    if ("id" in content) == ("link" in content):
        raise graph_error(100, f"Param {kind} must have exactly one of id and link.")
    if len(str(content.get("caption", ""))) > 1024:
        raise graph_error(100, f"Param {kind}['caption'] must be at most 1024 characters long.")
