"""R7: a rep who goes away, offline or to voice only is asked no longer, so that somebody who is there can be.

Lost connections are another matter: they have a grace time (L5), as most come back within seconds.
"""

from __future__ import annotations

from gateway.session.commands import RepUnavailable
from gateway.session.decision import Decision, Facts
from gateway.session.draft import Draft
from gateway.session.membership import tell_closed, withdraw
from gateway.session.model import Invitation, Login, Session
from gateway.session.routing import pass_over


def r7_unavailable(session: Session, command: RepUnavailable, facts: Facts) -> Decision:
    """R7: the offer goes to the next rep, and open requests no longer wait for this one."""
    draft = Draft(session, facts)
    if session.offer is not None and session.offer.rep == command.by:
        pass_over(draft, "unavailable")
    for invitation in session.invitations:
        if command.by in invitation.waits_for:
            r7_asks_no_longer(draft, invitation, command.by)
    return draft.decision()


def r7_asks_no_longer(draft: Draft, invitation: Invitation, login: Login) -> None:
    """R7: a queue's request continues with the others; if nobody is left to answer, it is withdrawn, and the inviter is told."""
    rest = invitation.model_copy(update={"unavailable": (*invitation.unavailable, login)})
    draft.change(invitations=tuple(rest if i.id == rest.id else i for i in draft.session.invitations))
    tell_closed(draft, rest, [login], "unavailable")
    if rest.waits_for:
        return
    withdraw(draft, rest, reason="unavailable")
    rep = draft.facts.reps.get(login)
    by = {"id": login, "name": rep.name if rep is not None else login}
    draft.tell([rest.inviter], "invitation_unavailable", invitation_id=rest.id, by=by)
