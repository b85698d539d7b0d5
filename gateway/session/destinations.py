"""T3: the list of recipients that a rep can ask, by type, with search and paging.

It shows whoever could be asked, with the load that tells how likely a yes is; never who asks, who is in the session already,
or another org's people; never `others` (T2).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable

from adapters.envelope import Value
from gateway.session.admission import (
    can_receive,
    controlled_elsewhere,
    not_in_it,
    p1_enhanced_edition,
    p2_missing,
    p3_run_flows,
    p4_direct_routing,
    p5_online,
    reps_of,
)
from gateway.session.commands import Invite
from gateway.session.decision import Facts, Refusal
from gateway.session.inviting import c5_bots, judged
from gateway.session.model import Login, Page, Purpose, Queue, Recipient, RecipientType, Rep, Session
from gateway.session.refusals import e3_refuse
from gateway.session.saying import m5_is_active
from gateway.session.searching import fold, has_all, words_of
from gateway.session.transferring import t2_not_others


class Destination(Value):
    """Whom a rep may ask (T3). Agents carry `load` and `capacity`, queues `available` (how many of their reps are).

    `code` and `reason` say why a request would be refused now; without them it would be granted.
    """

    type: RecipientType
    id: str
    name: str
    load: int | None = None
    capacity: int | None = None
    available: int | None = None
    bot: bool = False
    code: str | None = None
    reason: str | None = None


def t3_destinations(
    session: Session,
    facts: Facts,
    by: Login,
    *,
    purpose: Purpose,
    type: RecipientType,
    q: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Destination] | Refusal:
    """T3: one page, by name, each with what a request would be refused for now. What can't be asked at all is refused as the request
    would be; where a right or setting takes one type away (P3, P4), its list is empty."""
    refusal = (
        controlled_elsewhere(session)
        or p1_enhanced_edition(session, by, purpose, facts.channel)
        or t2_not_others(type)
        or m5_is_active(session, facts.channel)
        or not_in_it(session, by)
    )
    if refusal is not None:
        return refusal
    after = _read_cursor(cursor)
    if isinstance(after, Refusal):
        return after
    found = [d for d in _LISTS[type](session, facts, by, purpose) if t3_matches(d, q)]
    page = t3_page(found, after, max(1, limit))
    items = tuple(t3_judged(one, session, facts, by, purpose) for one in page.items)
    return Page(items, page.next, page.remaining)


def t3_judged(destination: Destination, session: Session, facts: Facts, by: Login, purpose: Purpose) -> Destination:
    """T3: with the refusal that a request to it would get, from the same function that judges the request."""
    recipient = Recipient(type=destination.type, id=destination.id)
    outcome = judged(session, Invite(by=by, recipient=recipient, purpose=purpose.value), facts)
    if not isinstance(outcome, Refusal):
        return destination
    return destination.model_copy(update={"code": outcome.code, "reason": outcome.sentence})


def t3_agents(session: Session, facts: Facts, by: Login, purpose: Purpose) -> Iterable[Destination]:
    """T3: online with a messaging presence status, with P2's rights; each with their capacity in use, also when it is full."""
    if p4_direct_routing(facts.settings) is not None:
        return
    for rep in facts.reps.values():
        if t3_is_listed(rep, session, facts, by, purpose):
            yield Destination(
                type=RecipientType.agent,
                id=rep.login,
                name=rep.name,
                load=facts.load[rep.login],
                capacity=rep.capacity,
                bot=rep.kind == "bot",
            )


def t3_is_listed(rep: Rep, session: Session, facts: Facts, by: Login, purpose: Purpose) -> bool:
    """T3: of this org, not in the session (as who asks is), online for messaging (P5), with the rights (P2), and no bot where C5 refuses one."""
    return (
        rep.org == session.org
        and not session.has_rep(rep.login)
        and p5_online(rep.login, facts)
        and not p2_missing(rep, facts.channel)
        and not isinstance(c5_bots(session, [rep], by, purpose, facts), Refusal)
    )


def t3_queues(session: Session, facts: Facts, by: Login, purpose: Purpose) -> Iterable[Destination]:
    """T3: each with how many of its reps could take the session now."""
    for queue in facts.queues.values():
        if queue.org == session.org:
            available = t3_available(queue, session, facts)
            yield Destination(type=RecipientType.queue, id=queue.id, name=queue.name, available=available)


def t3_available(queue: Queue, session: Session, facts: Facts) -> int:
    """T3: those of the queue who could be given the session."""
    return sum(can_receive(rep, session, facts) for rep in reps_of(queue, facts))


def t3_flows(session: Session, facts: Facts, by: Login, purpose: Purpose) -> Iterable[Destination]:
    """T3: for those with `run_flows`."""
    if p3_run_flows(facts.reps[by]) is not None:
        return
    for flow in facts.flows.values():
        if flow.org == session.org:
            yield Destination(type=RecipientType.flow, id=flow.id, name=flow.name)


_LISTS: dict[RecipientType, Callable[[Session, Facts, Login, Purpose], Iterable[Destination]]] = {
    RecipientType.agent: t3_agents,
    RecipientType.queue: t3_queues,
    RecipientType.flow: t3_flows,
}


def t3_matches(destination: Destination, q: str) -> bool:
    """T3: whether every word of the search is in the name or the id, ignoring case and accents."""
    return has_all(fold(f"{destination.name} {destination.id}"), words_of(q))


def t3_page(found: list[Destination], after: tuple[str, str] | None, limit: int) -> Page[Destination]:
    """T3: by name, then id. The cursor names the last one shown, so that comings and goings neither repeat nor hide anyone."""
    rest = sorted((d for d in found if after is None or _place(d) > after), key=_place)
    items = tuple(rest[:limit])
    more = len(rest) - len(items)
    return Page(items, _write_cursor(items[-1]) if more else None, more)


def _place(destination: Destination) -> tuple[str, str]:
    return (fold(destination.name), destination.id)


def _write_cursor(last: Destination) -> str:
    return base64.urlsafe_b64encode(json.dumps(_place(last)).encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[str, str] | Refusal | None:
    if cursor is None:
        return None
    try:
        name, id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return (str(name), str(id))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        return e3_refuse("invalid_input", "This cursor is not valid: start from the first page.")
