"""C3: flows. A flow is a list of rules; the first whose condition holds says who is asked."""

from __future__ import annotations

import re

from gateway.session.decision import Facts
from gateway.session.model import FlowCondition, FlowDefinition, Recipient, RecipientType, ReferralCondition, Session
from gateway.session.notices import m3_locales

MATCHED_TEXT = 2_000  # code points of the customer's words that an expression sees: a flow routes by the gist, not by a novel


def c3_flow_yields(flow: FlowDefinition, session: Session, facts: Facts) -> Recipient | None:
    """The agent or queue that the flow yields; None when no rule holds, or the one that does names neither, or nobody known."""
    chosen = next((rule.to for rule in flow.rules if holds(rule.when, session, facts)), None)
    if chosen is None:
        return None
    known = {RecipientType.agent: facts.reps, RecipientType.queue: facts.queues}.get(chosen.type)
    return chosen if known is not None and chosen.id in known else None


def holds(when: FlowCondition, session: Session, facts: Facts) -> bool:
    """Whether all that the condition gives is so."""
    return (
        _on_channel(when, session)
        and _in_locale(when, session)
        and _says(when, facts.latest_text)
        and all(facts.attributes.get(key) == value for key, value in when.attributes.items())
        and (when.referral is None or _came_by(when.referral, session))
        and _at_hour(when, f"{facts.now:%H:%M}")
        and (not when.weekdays or facts.now.weekday() in when.weekdays)
    )


def _on_channel(when: FlowCondition, session: Session) -> bool:
    """By the channel's id or its kind."""
    return not when.channels or session.channel_id in when.channels or session.channel_type in when.channels


def _in_locale(when: FlowCondition, session: Session) -> bool:
    """`pt` holds for `pt-BR`, not the other way round."""
    return not when.locales or any(at in m3_locales(session.locale) for at in map(str, when.locales))


def _says(when: FlowCondition, text: str) -> bool:
    """An invalid expression matches nothing; the config check reports it."""
    if when.text_matches is None:
        return True
    try:
        return re.search(when.text_matches, text[:MATCHED_TEXT]) is not None
    except re.error:
        return False


def _came_by(when: ReferralCondition, session: Session) -> bool:
    """Matches what last brought the customer; every list that is set must contain it."""
    found = session.referral
    if found is None:
        return False
    product = found.product.id if found.product is not None else None
    wanted = (
        (when.sources, found.source),
        (when.ids, found.id),
        (when.refs, found.ref),
        (when.groups, found.group),
        (when.products, product),
    )
    return all(not one_of or value in one_of for one_of, value in wanted)


def _at_hour(when: FlowCondition, clock: str) -> bool:
    """`clock` is `HH:MM` in UTC; hours from a later to an earlier time go over midnight, equal ones are the whole day."""
    if when.hours is None:
        return True
    start, end = when.hours
    if start < end:
        return start <= clock < end
    return clock >= start or clock < end
