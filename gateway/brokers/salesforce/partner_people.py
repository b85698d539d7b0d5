"""Whom our routing chooses with partner-owned routing: users of Salesforce, by the rules and in the turn of `gateway.session`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from gateway.brokers.salesforce.partner_values import Around, Request, Target
from gateway.session.admission import p2_rights, p4_direct_routing, p5_available, p6_limit
from gateway.session.flows import c3_flow_yields
from gateway.session.inviting import c2_nobody_in_queue, c6_has_capacity, c6_not_in_yet
from gateway.session.model import Queue, Recipient, RecipientType, Rep
from gateway.session.routing import in_turn

N = TypeVar("N", bound=str)
_SHORT: Final = 15  # ids have 15 or 18 characters; the last three only say which of the others are capitals


@dataclass(frozen=True, slots=True)
class People:
    """Who can be asked, first in turn first; `why` not, where there is nobody."""

    users: tuple[str, ...] = ()
    why: str = ""


def short(id: str) -> str:
    """An id's first 15 characters, by which ids are compared, and which some calls insist on."""
    return id[:_SHORT]


def name_of(id: str, known: Mapping[N, str]) -> N | None:
    """What we call the record of this id: a login, a queue's or a flow's id."""
    return next((name for name, record in known.items() if short(record) == short(id)), None)


def as_we_call_them(around: Around) -> Around:
    """With reps by their logins, as the rules of `gateway.session` know them: in the session, and in what they have to do."""
    session = around.session
    people = tuple(p.model_copy(update={"id": name_of(p.id, around.org.reps) or p.id}) for p in session.participants)
    facts = around.facts._replace(load=_Load(around))
    return around._replace(session=session.model_copy(update={"participants": people}), facts=facts)


class _Load(Mapping[str, int]):
    """What a rep has to do: as a login of ours, as a user of Salesforce, and where they are being asked."""

    def __init__(self, around: Around) -> None:
        self._known, self._users, self._asked = around.facts.load, around.org.reps, around.asked

    def __getitem__(self, login: str) -> int:
        user = next((user for known, user in self._users.items() if known == login), None)
        own = self._known[login]
        if user is None:
            return own
        return own + sum(self._known[id] for id in {user, short(user)}) + self._asked.get(short(user), 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def is_theirs(target: Target, around: Around) -> bool:
    """Whether Salesforce must route it: a queue or flow that has no counterpart here, or a channel without a queue."""
    if target.kind == "queue":
        return name_of(target.id, around.org.queues) not in around.facts.queues
    if target.kind == "flow":
        return name_of(target.id, around.org.flows) not in around.facts.flows
    return target.kind == "channel" and around.facts.channel.queue is None


def refused(request: Request, around: Around) -> str | None:
    """Why it can't be done, whoever is there: a sentence for the rep who asked."""
    facts, target = around.facts, request.target
    if target.kind == "bot":
        return "Bots can't be asked through this channel: name a rep, a queue or a flow."
    if request.routing != "Conference":
        return None
    if target.kind == "external":
        return "Contacts outside the org can't join a conference: name a rep, a queue or a flow."
    if facts.channel.edition != "enhanced":
        return "This channel has no conferencing: transfer the conversation instead."
    limit = p6_limit(facts.settings, facts.channel)
    if len(around.session.reps) >= limit:
        return f"The conversation is full with {limit} rep{'' if limit == 1 else 's'}: transfer it, or wait until one leaves."
    return None


def people(request: Request, around: Around) -> People:
    """Who can be asked now, whether they have passed or not. Where the customer waits for it, the channel's queue comes after."""
    found = _people(request.target, around)
    queue = around.facts.channel.queue
    if not request.holds or queue is None or any(user not in request.passed for user in found.users):
        return found
    rest = _of_queue(queue, around)
    return People((*found.users, *(user for user in rest.users if user not in found.users)), found.why or rest.why)


def _people(target: Target, around: Around) -> People:
    if target.kind == "user":
        return _named(target.id, around)
    if target.kind == "queue":
        return _of_queue(name_of(target.id, around.org.queues), around)
    if target.kind == "flow":
        return _by_flow(name_of(target.id, around.org.flows), around)
    return _of_queue(around.facts.channel.queue, around)


def _named(user: str, around: Around) -> People:
    """A rep by name. One whom the config doesn't know is judged by Salesforce alone."""
    login = name_of(user, around.org.reps)
    rep = around.facts.reps.get(login) if login is not None else None
    if rep is None:
        is_in = any(short(person.id) == short(user) for person in around.session.reps)
        return People(why="This rep is in the conversation already: choose someone else.") if is_in else People((user,))
    facts = around.facts
    refusal = (
        p4_direct_routing(facts.settings)
        or c6_not_in_yet(around.session, rep)
        or p2_rights(rep, facts.channel)
        or p5_available(rep, facts)
        or c6_has_capacity(rep, facts)
    )
    return People((user,)) if refusal is None else People(why=refusal.sentence)


def _of_queue(id: str | None, around: Around) -> People:
    queue = around.facts.queues.get(id) if id is not None else None
    if queue is None:
        return People(why="There is no such queue: name another one.")
    ready = in_turn(around.session.model_copy(update={"queue": queue.id}), around.facts)
    users = tuple(around.org.reps[rep.login] for rep in ready if rep.login in around.org.reps)
    return People(users, "" if users else _nobody(queue, ready, around))


def _nobody(queue: Queue, unmapped: list[Rep], around: Around) -> str:
    if unmapped:
        return f"The reps of {queue.name} who are free have no user id in the gateway's settings: name another queue."
    known = [rep for login in queue.reps if (rep := around.facts.reps.get(login)) is not None]
    return c2_nobody_in_queue(around.session, queue.name, known, around.facts).sentence


def _by_flow(id: str | None, around: Around) -> People:
    flow = around.facts.flows.get(id) if id is not None else None
    yielded: Recipient | None = c3_flow_yields(flow, around.session, around.facts) if flow is not None else None
    if flow is None or yielded is None:
        return People(why=f"The flow {flow.name if flow else ''} found nobody: name a rep or a queue.".replace("  ", " "))
    if yielded.type is RecipientType.queue:
        return _of_queue(yielded.id, around)
    user = next((user for login, user in around.org.reps.items() if login == yielded.id), None)
    if user is None:
        return People(why=f"The flow {flow.name} found somebody who has no user id in the gateway's settings.")
    return _named(user, around)
