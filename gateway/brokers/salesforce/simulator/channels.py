"""The org's channels as its own broker sees them: whoever is at the other end is reached by published events, not by calls.

Everything is allowed here: what a channel can carry is for the gateway in front of it to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from adapters.contract import Account, Adapter, Capabilities, Fetched, FileRule, Flow, RawRequest, Sent, Simulator
from adapters.envelope import Inbound, MediaPart, Outbound, TypingSignal
from adapters.errors import NotAuthentic, SendFailed, Verdict
from gateway.config import Channel, ChannelConfig

Typed = Callable[[TypingSignal], None]

KIND: Final = "salesforce-org"
_NOTICES: Final = ("joined", "left", "transferred", "waiting", "ended")
_MOST: Final = 100_000_000
_WIDE: Final = {
    "inbound": frozenset({"message", "typing", "receipt", "ended"}),
    "outbound": frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "say.reply", "notice", "typing"}),
    "max_text": _MOST,
    "max_caption": _MOST,
    "files": (FileRule(media="file", max_bytes=_MOST),),
    "speaker": "native",
    "receipts": frozenset({"delivered", "read", "failed"}),
    "retry_key": True,
}


def org_channels(
    configs: Mapping[str, ChannelConfig], found: Mapping[str, Adapter[Any]], uploads: Path, typed: Typed
) -> dict[str, Channel]:
    """The org's channels, by the id of the real ones whose kind and title they show. `uploads`: where customers' files are until the org has stored them;
    `typed` is told when a rep types."""
    return {id: _channel(id, config, found[config.kind], uploads, typed) for id, config in configs.items()}


def announce(channel: Channel, on: bool) -> None:
    """Whether the org itself tells customers who came (an auto-response), from now on."""
    off: dict[str, str | None] = dict.fromkeys(_NOTICES, None)
    texts = (
        off | {"joined": "{name} has joined the conversation.", "transferred": "{to} has joined the conversation."} if on else off
    )
    channel.facts = channel.facts.model_copy(update={"notices": {"*": texts}})


def _channel(id: str, config: ChannelConfig, real: Adapter[Any], uploads: Path, typed: Typed) -> Channel:
    shown = config.model_copy(
        update={"title": config.title or real.title, "name_speaker": "always", "account": {}, "salesforce": None}
    )
    channel = Channel(id, shown, _adapter(real, uploads, typed), Account())
    announce(channel, False)
    return channel


def _adapter(real: Adapter[Any], uploads: Path, typed: Typed) -> Adapter[Account]:
    def send(message: Outbound, account: Account, now: datetime) -> Flow[Sent]:
        if isinstance(message, TypingSignal):
            typed(message)
            return Sent()
        return Sent(message_ids=(message.id,))  # receipts name it by that, and wait if they come before it is noted
        yield  # a flow, though without a call

    def media(part: MediaPart, account: Account, now: datetime) -> Flow[Fetched]:
        path = uploads / str(part.source.get("file"))
        if not path.is_file():
            raise SendFailed(Verdict.dead, "media_gone")
        return Fetched(path.read_bytes(), part.mime_type, part.name)
        yield

    return Adapter(
        kind=KIND,
        title=real.title,
        account=Account,
        capabilities=Capabilities.model_validate(
            {**_WIDE, "chat": real.capabilities.chat, "editions": real.capabilities.editions}
        ),
        verify=_no_webhooks,
        parse=_nothing,
        send=send,
        media=media,
        simulate=_no_provider,
        demo=_no_settings,
    )


def _no_webhooks(request: RawRequest, account: Account, now: datetime) -> None:
    raise NotAuthentic("an org's channel has no webhooks")


def _nothing(request: RawRequest, account: Account) -> list[Inbound]:
    return []


def _no_provider(account: Account) -> Simulator:
    raise NotImplementedError


def _no_settings(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    return {}
