"""The reps' and programs' API, v1: one file a noun, each call declared once."""

from typing import Final

from gateway.edge.api import connector, destinations, entries, flags, invitations, me, messages, sessions
from gateway.edge.api.call import Call

CALLS: Final[tuple[Call, ...]] = (
    *me.CALLS,
    *sessions.CALLS,
    *entries.CALLS,
    *messages.CALLS,
    *destinations.CALLS,
    *invitations.CALLS,
    *flags.CALLS,
    *connector.CALLS,
)

__all__ = ["CALLS"]
