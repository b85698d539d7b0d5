"""An org's lanes, as the journal's workers see them (`gateway.journal.contract.Peer`)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from adapters.contract import Fetched, Flow, HttpCall, RawRequest, Sent
from adapters.envelope import ChannelId, MediaPart, Outbound, TypingSignal
from adapters.errors import SendFailed, Verdict
from adapters.replies import fetched
from gateway.brokers.contract import ReportedEvent
from gateway.brokers.salesforce import calls, formats, parsing
from gateway.brokers.salesforce.links import allowed_file
from gateway.brokers.salesforce.places import LANES, SalesforceLink
from gateway.brokers.salesforce.tokens import Tokens
from gateway.config.salesforce import SalesforceOrg
from gateway.store.contract import Call


class LanePeer:
    """The org, at the other end of a lane. Each lane is paced by itself, so that each has its share of what the org takes."""

    def __init__(self, lane: str, org: SalesforceOrg, links: Mapping[str, SalesforceLink], tokens: Tokens) -> None:
        self._lane, self._org, self._links, self._tokens = lane, org, links, tokens
        self.messages_per_second = org.requests_per_second / LANES
        self.listens: Callable[[], bool] = lambda: True  # whether the org's answers would be heard

    @property
    def takes(self) -> bool:
        """What the org publishes before its stream was ever open is never read, so nothing is asked of it until then."""
        return self.listens()

    def parse(self, request: RawRequest) -> Sequence[ReportedEvent]:
        """An event of the org's stream, as `subscription` put it into the inbox."""
        return parsing.parse(request, lane=self._lane, org=self._org)

    def send(self, message: Outbound | Call, now: datetime) -> Flow[Sent | None]:
        """A row, or a signal that the customer types."""
        call = _typing_call(message) if isinstance(message, TypingSignal) else message
        if not isinstance(call, Call):
            raise TypeError(f"{message.kind} is for customers")
        link = self._links.get(call.about)
        if link is None:
            sentence = "The channel is no longer one of this org's, so Salesforce was not told. Add its `salesforce` settings again, then replay."
            raise SendFailed(Verdict.dead, "channel_removed", sentence)
        if call.body.get("interactionType") == "AttachmentInteraction" and call.file is None:
            words = f"{call.body.get('text') or ''}\n[a file that could not be fetched from the channel]".lstrip()
            call = call.model_copy(update={"body": formats.text(words).body})
        return calls.send(call, file=call.file, org=self._org, channel=link.settings, tokens=self._tokens, now=now)

    def media(self, part: MediaPart, now: datetime) -> Flow[Fetched]:
        """A file that a rep sends, from the org's file host or one that the config names."""
        url = str(part.source.get("url", ""))
        allowed = partial(allowed_file, org=self._org)
        if not allowed(url):
            raise SendFailed(Verdict.dead, "media_address_refused")
        most = 32 * 1024 * 1024
        reply = yield HttpCall(
            "GET", url, foreign=True, leads_to=allowed, max_reply_bytes=most, timeout_seconds=60, proxy=self._org.proxy
        )
        return fetched(reply, part, now)

    def may_repeat(self, message: Outbound | Call, lost_at: datetime, now: datetime) -> bool:
        """A repetition has the same entry id. Better told twice than never."""
        return True


def _typing_call(signal: TypingSignal) -> Call:
    channel_id, _, _ = signal.to.partition("/")
    return Call(
        id=signal.id,
        channel_id=signal.channel_id,
        to=signal.to,
        retry_key=signal.retry_key or str(uuid.uuid4()),
        created_at=signal.created_at,
        memory=signal.memory,
        operation="interaction",
        about=ChannelId(channel_id),
        body=formats.typing(signal.on).body,
    )
