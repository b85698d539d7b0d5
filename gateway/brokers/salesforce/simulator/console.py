"""The org's console: the org's broker, except that where a partner routes, a rep's wish for another rep goes to the partner, who decides.

Who is present there, a partner who routes must know: see `Attendance`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from gateway.brokers.contract import Broker, Caller, Effect
from gateway.brokers.salesforce.simulator.hosting import Hosting
from gateway.session.commands import Asked, DeclineInvitation, DeclineWork, Invite
from gateway.session.decision import Refusal
from gateway.session.model import Presence, RepPresence, Session

OnPresence: TypeAlias = Callable[[Caller, Presence], Awaitable[object]]


class Attendance:
    """Who is there, passed on to whom it may concern: `told`, once that is known."""

    def __init__(self) -> None:
        self.told: OnPresence | None = None

    async def __call__(self, caller: Caller, status: Presence) -> None:
        if self.told is not None:
            await self.told(caller, status)


class _Console:
    def __init__(self, broker: Broker, hosting: Hosting, on_presence: OnPresence) -> None:
        self._broker, self._hosting, self._on_presence = broker, hosting, on_presence

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def set_presence(self, caller: Caller, status: Presence) -> RepPresence:
        done = await self._broker.set_presence(caller, status)
        await self._on_presence(caller, status)
        return done

    async def command(self, caller: Caller, session_id: str, command: Asked, *, key: str | None = None) -> Effect | Refusal:
        session = await self._broker.session(caller, session_id)
        if not isinstance(session, Session) or not self._hosting.routes(session.channel_id):
            return await self._broker.command(caller, session_id, command, key=key)
        if isinstance(command, Invite):
            return await self._hosting.wanted(caller, session_id, command)
        done = await self._broker.command(caller, session_id, command, key=key)
        if isinstance(done, Effect) and isinstance(command, DeclineWork | DeclineInvitation):
            await self._hosting.declined(session, caller.login)
        return done


def console(broker: Broker, hosting: Hosting, on_presence: OnPresence) -> Broker:
    """See the module."""
    return cast("Broker", _Console(broker, hosting, on_presence))
