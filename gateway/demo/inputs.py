"""What a simulator has been told, in a form that can be kept: its whole memory is the list of its inputs."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from adapters.contract import Answer, RawRequest
from adapters.simulation import Action, ProviderCall, SimFile


def dump_request(request: RawRequest) -> str:
    """As JSON."""
    return json.dumps(
        {
            "method": request.method,
            "url": request.url,
            "path": request.path,
            "query": request.query,
            "headers": dict(request.headers),
            "body": _text(request.body),
            "at": request.received_at.timestamp(),
        }
    )


def load_request(text: str) -> RawRequest:
    """Back again."""
    raw = json.loads(text)
    return RawRequest(
        method=raw["method"],
        url=raw["url"],
        path=raw["path"],
        query=tuple((key, value) for key, value in raw["query"]),
        headers=raw["headers"],
        body=base64.b64decode(raw["body"]),
        received_at=datetime.fromtimestamp(raw["at"], UTC),
    )


def dump_action(action: Action) -> str:
    """As JSON."""
    plain = action.model_dump(exclude={"file"})
    if action.file:
        plain["file"] = {
            "name": action.file.name,
            "mime_type": action.file.mime_type,
            "content": _text(action.file.content),
        }
    return json.dumps(plain)


def load_action(text: str) -> Action:
    """Back again."""
    raw = json.loads(text)
    file = raw.pop("file", None)
    kept = SimFile(name=file["name"], mime_type=file["mime_type"], content=base64.b64decode(file["content"])) if file else None
    return Action(**raw, file=kept)


def dump_settled(call: ProviderCall, answer: Answer | None) -> str:
    """A call and what came back, as JSON."""
    plain: dict[str, Any] = {
        "call": {
            "id": call.id,
            "method": call.method,
            "url": call.url,
            "headers": dict(call.headers),
            "body": _text(call.body),
            "purpose": call.purpose,
            "lane": call.lane,
            "delay_seconds": call.delay_seconds,
            "timeout_seconds": call.timeout_seconds,
            "attempt": call.attempt,
        },
        "answer": None
        if answer is None
        else {"status": answer.status, "headers": dict(answer.headers), "body": _text(answer.body)},
    }
    return json.dumps(plain)


def load_settled(text: str) -> tuple[ProviderCall, Answer | None]:
    """Back again."""
    raw = json.loads(text)
    call = ProviderCall(**{**raw["call"], "body": base64.b64decode(raw["call"]["body"])})
    answer = raw["answer"]
    if answer is None:
        return call, None
    return call, Answer(status=answer["status"], headers=answer["headers"], body=base64.b64decode(answer["body"]))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
