"""What the embedded broker is given: reps, channels, and how to make ids and addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from adapters import registry
from gateway import clock as clocks
from gateway.clock import Clock
from gateway.config import Channel, Org, OrgConfig
from gateway.links import MediaLinks
from gateway.session.model import ChannelFacts, Session

Gone = Literal["removed", "moved", "kind_changed"]


@dataclass(frozen=True, slots=True)
class Ground:
    """Given once, at start."""

    channels: Mapping[str, Channel]
    orgs: Mapping[str, Org]
    links: MediaLinks
    new_id: Callable[[str], str]
    steady: Clock = clocks.steady  # what due times are set and looked at by
    # Walks through every point between two steps in tests; does nothing otherwise.
    fault: Callable[[str], None] = lambda point: None

    def serves(self, session: Session) -> bool:
        """Whether the session's channel is still its own: what isn't so can't be sent, and nobody is asked to take it."""
        return gone(self.channels, session) is None


def org_of(orgs: Mapping[str, Org], org_id: str) -> Org:
    """The org; one that the config no longer has is empty, so that its sessions can still be read and ended."""
    return orgs.get(org_id) or Org(org_id, OrgConfig())


def gone(channels: Mapping[str, Channel], session: Session) -> Gone | None:
    """What has become of the session's channel; None: it is still its own."""
    return gone_by(channels, session.channel_id, session.org, session.channel_type)


def gone_by(channels: Mapping[str, Channel], channel_id: str, org: str, kind: str) -> Gone | None:
    """As `gone`, by what a session's row says."""
    channel = channels.get(channel_id)
    if channel is None:
        return "removed"
    if channel.config.org != org:
        return "moved"
    return "kind_changed" if channel.config.kind != kind else None


def channel_facts(channels: Mapping[str, Channel], session: Session) -> ChannelFacts:
    """The channel's facts; for a channel that is gone, what the session itself says about it."""
    lost = gone(channels, session)
    if lost is None:
        return channels[session.channel_id].facts
    adapter = registry.load().get(session.channel_type)
    return ChannelFacts(
        id=session.channel_id,
        kind=session.channel_type,
        org=session.org,
        chat=adapter.capabilities.chat if adapter else False,
        gone=lost,
        can_notify=False,
        cannot_notify_reason="The channel is no longer in the config.",
    )
