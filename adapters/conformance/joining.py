"""Checks of an adapter together with its simulator, and of what both let out."""

from __future__ import annotations

from adapters.conformance.cases import NotConforming, require
from adapters.conformance.proofs import changed, refusal, without
from adapters.conformance.reading import parsed
from adapters.conformance.samples import NOW, UNICODE
from adapters.conformance.secrets import secrets_in, wrong
from adapters.conformance.subject import Subject
from adapters.conformance.world import World, say
from adapters.contract import HttpReply
from adapters.envelope import InboundMessage
from adapters.errors import AdapterError, SendFailed, Unsupported
from adapters.simulation import Action, CannotAct


def check_simulator_and_adapter_agree(subject: Subject) -> None:
    """There and back: what the simulated customer says is authentic and understood, and what we say is on the handset."""
    world = World(subject)
    for text in ("hello from the handset", *UNICODE):
        world.says_text(text)
    if "message.image" in subject.adapter.capabilities.inbound:
        world.says_picture()
    for text in ("hello from the desk", *UNICODE):
        world.hears_text(text)
    world.hears_notice("Ana joined")
    if "say.image" in subject.adapter.capabilities.outbound:
        world.hears_picture()


def check_redelivery_is_the_same_event(subject: Subject) -> None:
    """A webhook that the simulator delivers twice gives the same event ids twice."""
    world = World(subject)
    try:
        calls = world.act(Action(kind="say", customer=subject.customer, text="twice", details={"times": 2}))
    except CannotAct:
        return
    found = [one.event_id for call in calls for one in world.understood(call) if isinstance(one, InboundMessage)]
    require(len(found) >= 2, "`times: 2` gave fewer than two deliveries")
    require(len(set(found)) == 1, f"the same message came with other event ids: {found}")


def check_simulator_refuses_bad_credentials(subject: Subject) -> None:
    """With other secrets the provider takes nothing, and the adapter says so as a failure, not as sent."""
    world = World(subject)
    world.says_text("hello")
    others = {name: wrong(value) for name, value in subject.account if any(secrets_in(value))}
    if not others:
        return
    try:
        world.run(subject.adapter.send(world.say(text="hello"), subject.account.model_copy(update=others), world.now))
    except (SendFailed, Unsupported):
        return
    raise NotConforming("the simulator took a call with wrong credentials")


def check_secrets_absent_from_repr(subject: Subject) -> None:
    """No secret stands in the account's repr, in an error, in an operator's hint, or in a call's repr."""
    secrets = list(secrets_in(subject.account))
    shown = [repr(subject.account), str(subject.account), subject.account.model_dump_json()]
    for case in subject.events[:3]:
        for forged in (without(case.request, subject.proof_headers), *changed(subject, case.request)):
            refused = refusal(subject, forged)
            shown += [repr(refused), str(refused), refused.hint] if refused else []
        shown += [repr(one) for one in parsed(subject, case)]
    for status in (400, 401, 403, 404, 429, 500):
        shown += _said_on_failure(subject, status)
    for secret in secrets:
        require(not any(secret in text for text in shown), "a secret stands in a repr, an error or a hint")


def _said_on_failure(subject: Subject, status: int) -> list[str]:
    """The calls of a send whose every answer is that status, and the error it ends in."""
    texts: list[str] = []
    to = next(one.end_user.address for case in subject.events for one in parsed(subject, case) if one.end_user)
    flow = subject.adapter.send(say(subject, to, {}, text="hello"), subject.account, NOW)
    try:
        call = next(flow)
        while True:
            texts.append(repr(call))
            call = flow.send(HttpReply(status, {"content-type": "application/json"}, b"{}"))
    except StopIteration:
        pass
    except AdapterError as error:
        texts += [repr(error), str(error)]
    return texts
