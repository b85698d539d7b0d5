"""What the embedded broker stands on: who there is, what channels there are, and how to make ids and addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.config import Channel, Org
from gateway.links import MediaLinks
from gateway.session.decision import Facts
from gateway.store import conversations, people, sessions


@dataclass(frozen=True, slots=True)
class Ground:
    """Given once, at start."""

    channels: Mapping[str, Channel]
    orgs: Mapping[str, Org]
    links: MediaLinks
    new_id: Callable[[str], str]
    # Walks through every point between two steps in tests; does nothing otherwise.
    fault: Callable[[str], None] = lambda point: None

    def facts(self, connection: sqlite3.Connection, channel_id: str, now: datetime, *, words_of: str | None = None) -> Facts:
        """What the rules may know for a session of this channel; people's presence and load are read when asked for.

        `words_of`: the session whose customer's latest words a flow's conditions need.
        """
        channel = self.channels[channel_id]
        org = self.orgs[channel.config.org]
        return Facts(
            now=now,
            new_id=self.new_id,
            settings=org.settings,
            channel=channel.facts,
            people=org.people,
            queues=org.queues,
            flows=org.flows,
            presence=people.StoredPresence(connection, org.id, now, org.settings.disconnect_grace_seconds),
            load=people.StoredLoad(connection, org.id),
            latest_text=sessions.latest_text(connection, words_of) if words_of else "",
            attributes=conversations.attributes(connection, words_of) if words_of else {},
        )
