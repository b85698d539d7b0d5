"""The fixtures that a new channel begins with: requests of the template's provider, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.signing import hmac_hex

_SECRET: Final = "a-secret-for-tests"  # noqa: S105 - of the test account that the fixtures are signed for
_KIM: Final = {"id": "u_kim", "name": "Kim"}
_USER: Final = {"address": "u_kim", "name": "Kim"}
_AT: Final = "2026-11-02T11:59:58Z"
_SOURCE: Final = "the URL of the provider's documentation of its webhooks"


def fixtures(kind: str, title: str) -> Mapping[str, bytes]:
    """Name and content of each file."""
    files: dict[str, bytes] = {}
    for name, events, expected in _cases(title):
        body = json.dumps({"events": events}, ensure_ascii=False).encode()
        headers = {
            "source": _SOURCE,
            "url": f"https://gw.example.test/webhooks/{kind}",
            "headers": {"content-type": "application/json", f"x-{kind}-signature": hmac_hex(_SECRET, body)},
        }
        common = {"channel_id": kind, "received_at": "2026-11-02T12:00:00Z"}
        files[f"{name}.body"] = body
        files[f"{name}.headers.json"] = _pretty(headers)
        files[f"{name}.expected.json"] = _pretty([common | one for one in expected])
    return files


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _event(number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": f"ev_{number}", "at": _AT, "type": kind, "user": _KIM, **more}


def _says(number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"event_id": f"ev_{number}", "kind": kind, "provider_time": _AT, "end_user": _USER, **more}


def _cases(title: str) -> Iterator[tuple[str, list[Any], list[dict[str, Any]]]]:
    hello = {"id": "m_1", "type": "text", "text": "hello 👋"}
    said = {"message_id": "m_1", "parts": [{"type": "text", "text": "hello 👋"}]}
    yield "text", [_event(1, "message", message=hello)], [_says(1, "message", **said)]
    picture = {"id": "m_2", "type": "image", "url": "https://api.example.test/files/2", "text": "look"}
    shown = {"type": "media", "media": "image", "caption": "look", "source": {"url": "https://api.example.test/files/2"}}
    yield "image_with_caption", [_event(2, "message", message=picture)], [_says(2, "message", message_id="m_2", parts=[shown])]
    odd = {"type": "unknown", "provider_type": "hologram", "fallback": f"[{title}: hologram]"}
    hologram = _event(3, "message", message={"id": "m_3", "type": "hologram"})
    yield "message_without_a_form", [hologram], [_says(3, "message", message_id="m_3", parts=[odd])]
    yield "delivered", [_event(4, "delivered", ref="msg_1")], [_says(4, "receipt", status="delivered", outbox_id="msg_1")]
    yield "typing", [_event(5, "typing", on=True)], [_says(5, "typing", on=True)]
    yield "left", [_event(6, "left")], [_says(6, "ended", reason="ended")]
    unknown = {"event_id": "ev_7", "kind": "unknown", "provider_time": _AT, "reason": "weather"}
    yield "unknown_event", [_event(7, "weather", degrees=7)], [unknown]
    broken = {"event_id": "ev_8", "kind": "unknown", "reason": "malformed"}
    yield (
        "batch_with_one_bad_event",
        [_event(8, "message"), _event(9, "message", message=hello)],
        [broken, _says(9, "message", **said)],
    )
