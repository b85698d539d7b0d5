"""Where things are: the org's lanes, the conversations on them, and which of our channels an address of the org's is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.config import Channel
from gateway.config.salesforce import SalesforceChannel
from gateway.session.model import Session

LANES: Final = 2
"""Of each org: one for conversations, one for receipts."""


class SalesforceLink:
    """A channel of ours that is a messaging channel of the org."""

    def __init__(self, channel: Channel, settings: SalesforceChannel) -> None:
        self.id, self.config, self.adapter = channel.id, channel.config, channel.adapter
        self.settings = settings


class Places:
    """Of one org."""

    def __init__(self, name: str, channels: Mapping[str, Channel]) -> None:
        self.lane, self.receipts = f"salesforce:{name}", f"salesforce:{name}:receipts"
        self.channels = {
            key: SalesforceLink(channel, settings)
            for key, channel in channels.items()
            if (settings := channel.config.salesforce) is not None and settings.org == name
        }
        self.by_address = {link.settings.address: link for link in self.channels.values()}


def is_ours(link: SalesforceLink) -> bool:
    """Whether this gateway routes the channel's sessions."""
    return link.settings.routing == "partner"


def key_of(session: Session) -> str:
    """The conversation on the org's lane: one for each customer of a channel."""
    return f"{session.channel_id}/{session.end_user.id}"
