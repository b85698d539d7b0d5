"""Who the token is, and what they say of themself."""

from __future__ import annotations

from typing import Final

from gateway.edge.api.call import Ask, Call, call
from gateway.edge.api.shapes import MeShape, PresenceShape, me_of, presence_of
from gateway.edge.input import Input, Nothing
from gateway.session.model import Presence


class PresenceBody(Input):
    """Only `online` lets messaging work in (P5)."""

    status: Presence


@call("GET", "/me", "The caller", tag="me", answer=MeShape)
async def read_me(ask: Ask[Nothing, Nothing]) -> MeShape:
    """Login, public name, org, rights and presence of the caller."""
    rep = ask.directory.rep(ask.caller.org, ask.caller.login)
    return me_of(ask.caller, rep, await ask.broker.presence(ask.caller))


@call("GET", "/presence", "The caller's presence", tag="me", answer=PresenceShape)
async def read_presence(ask: Ask[Nothing, Nothing]) -> PresenceShape:
    """The caller's own presence, as it was last set, on whichever device."""
    return presence_of(await ask.broker.presence(ask.caller))


@call("PUT", "/presence", "Set the caller's presence", tag="me", body=PresenceBody, answer=PresenceShape)
async def set_presence(ask: Ask[PresenceBody, Nothing]) -> PresenceShape:
    """Going online looks for waiting sessions of the caller's queues at once."""
    return presence_of(await ask.broker.set_presence(ask.caller, ask.body.status))


CALLS: Final[tuple[Call, ...]] = (read_me, read_presence, set_presence)
