"""Checks of an adapter together with its simulator, and of what both let out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from adapters.conformance.cases import require
from adapters.conformance.network import as_reply
from adapters.conformance.proofs import changed, refusal, without
from adapters.conformance.receiving import parsed
from adapters.conformance.samples import LARGE_PICTURE, NOW, PICTURE, UNICODE
from adapters.conformance.secrets import secrets_in
from adapters.conformance.subject import Subject
from adapters.conformance.world import World, begun, say
from adapters.contract import Action, CannotAct, HttpReply
from adapters.envelope import InboundMessage, MediaPart
from adapters.errors import AdapterError
from adapters.simulation.reaching import addresses_of


def check_simulator_and_adapter_agree(subject: Subject) -> None:
    """There and back: what the simulated customer says is authentic and understood, and what we say is on the handset."""
    world = World(subject)
    for text in ("hello from the handset", *UNICODE):
        said = world.says_text(text)
    world.knows(said.end_user)
    if "message.image" in subject.adapter.capabilities.inbound:
        world.says_picture()
        world.says_picture(LARGE_PICTURE)
        with suppress(CannotAct):
            world.says_picture(text="look at this")
    if "typing" in subject.adapter.capabilities.inbound:
        world.types()
    for text in ("hello from the desk", *UNICODE):
        world.hears_text(text)
    world.hears_notice("Ana joined")
    if "say.image" in subject.adapter.capabilities.outbound:
        world.hears_picture()


def check_demo_settings_work(subject: Subject) -> None:
    """With the settings that `demo` gives, all of it works below the one address that it was given, as in the demo."""
    base, hook = "https://demo.example/simulated/one", "https://gw.example.test/webhooks/one"
    settings = {**subject.adapter.demo("one", base, hook), "channel_id": "one", "webhook_url": hook}
    world = World(replace(subject, account=subject.adapter.account.model_validate(settings)), base)
    world.says_text("hello")
    world.hears_text("hello")
    world.hears_notice("Ana joined")
    if "message.image" in subject.adapter.capabilities.inbound:
        world.says_picture()
    if "say.image" in subject.adapter.capabilities.outbound:
        world.hears_picture()


def check_addresses_of_others_are_foreign(subject: Subject) -> None:
    """A call to an address that a webhook or an answer named is marked `foreign`, or goes below the account's own addresses; and no secret
    of ours goes to an address out of a webhook."""
    world = begun(subject)
    parts = [part for case in subject.events for one in parsed(subject, case) for part in getattr(one, "parts", ())]
    for part in [part for part in parts if isinstance(part, MediaPart) and _named_in(part.source)]:
        elsewhere = part.model_copy(update={"source": _elsewhere(part.source)})
        with suppress(AdapterError):
            call = next(subject.adapter.media(elsewhere, subject.account, world.now))
            if call.url.startswith(_ELSEWHERE):
                require(
                    call.foreign, f"{call.url} is out of a webhook and isn't marked foreign: it could lead inside our network"
                )
                texts = (call.url, *call.headers.values(), call.body.decode("utf-8", "replace"))
                told = any(secret in text for secret in secrets_in(subject.account) for text in texts)
                require(not told, "a secret of ours goes to an address out of a webhook")
    if "message.image" in subject.adapter.capabilities.inbound:
        _fetch_from_elsewhere(world)


_ELSEWHERE: Final = "https://elsewhere.example/"


def _named_in(source: Any) -> bool:
    return any(isinstance(value, str) and value.startswith(("http://", "https://")) for value in source.values())


def _elsewhere(source: Any) -> dict[str, Any]:
    """A part's source that leads to another host."""
    return {
        key: _ELSEWHERE + value.partition("://")[2].partition("/")[2]
        if isinstance(value, str) and value.startswith(("http://", "https://"))
        else value
        for key, value in source.items()
    }


def _fetch_from_elsewhere(world: World) -> None:
    """The provider's answers name another host, as a forged or a redirected one could."""
    world.act(Action(kind="say", customer=world.subject.customer, file=PICTURE))
    parts = [part for one in world.received if isinstance(one, InboundMessage) for part in one.parts]
    part = next((part for part in parts if isinstance(part, MediaPart)), None)
    require(part is not None, "a picture came as no file")
    if part is None:
        return
    flow = world.adapter.media(part, world.account, world.now)
    try:
        call = next(flow)
        for _ in range(5):
            outcome = world.simulator.handle(world.as_request(call), world.now)
            body = outcome.answer.body
            for base in addresses_of(world.account):
                body = body.replace(f'"{base}'.encode(), f'"{_ELSEWHERE}'.encode())
            call = flow.send(as_reply(replace(outcome.answer, body=body)))
            if call.url.startswith(_ELSEWHERE):
                require(
                    call.foreign,
                    f"an answer named {call.url}, and the call isn't marked foreign: it could lead inside our network",
                )
                return
    except (StopIteration, AdapterError):
        return
    finally:
        flow.close()


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
