"""Checks that a message of ours is shown once or not at all, and that `send` says which."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from adapters.conformance.cases import NotConforming, require
from adapters.conformance.secrets import secrets_in, wrong
from adapters.conformance.subject import Subject
from adapters.conformance.world import ANA, World, begun
from adapters.contract import Account, HttpReply, NoReply, Sent
from adapters.envelope import InboundReceipt, ReceiptStatus, Say
from adapters.errors import SendFailed, Unsupported, Verdict

_WAIT_SECONDS: Final = 7
_REFUSED: Final = (400, 401, 403)
_TROUBLED: Final = (429, 500, 502, 503)
_EMPTY: Final = b"{}"


def check_the_same_words_are_shown_twice(subject: Subject) -> None:
    """Two messages are two lines, also where a retry key keeps one message from being shown twice; typing is none."""
    world = begun(subject)
    world.hears_text("again")
    world.hears_text("again")
    world.hears_notice("Ana joined")
    world.hears_notice("Ana joined")
    if "typing" in subject.adapter.capabilities.outbound:
        world.show(world.typing(True), world.typing(False))


def check_a_second_try_shows_nothing_twice(subject: Subject) -> None:
    """Where the adapter says that a message may be sent again (`retry_key`, `retry_safe`), the second try of it is the same line. A try whose
    answer was lost doesn't go on to show the message once more."""
    for kind in ("say", "notice"):
        world = begun(subject)
        row = world.notice("Ana joined") if kind == "notice" else next(world.prepared(text="only once", speaker=ANA))
        again = True
        try:
            world.run(subject.adapter.send(row, subject.account, world.now), lose=True)
        except NoReply:
            again = False
        except SendFailed as failed:
            again = failed.verdict is Verdict.again
        shown = len(world.ours())
        require(shown <= 1, f"the answer to a {kind} was lost, and the flow showed it again: {shown} lines")
        judge = subject.adapter.retry_safe
        may = judge(row, subject.account, world.now, world.now) if judge else subject.adapter.capabilities.retry_key
        if again or may:
            world.now += timedelta(minutes=1)
            world.run(subject.adapter.send(row, subject.account, world.now))
            shown = len(world.ours())
            require(shown == 1, f"a {kind} that was sent a second time, after a lost answer, is shown {shown} times")


def check_answers_are_judged_by_their_status(subject: Subject) -> None:
    """A bare 500, 502, 503 or 429 is tried again (or unknown), a bare 400, 401 or 403 is final; none of them is a success."""
    for status in (*_REFUSED, *_TROUBLED):
        failed = _failure_of(subject, status)
        require(failed is not None, f"HTTP {status} is taken for sent")
        if failed is not None and status in _TROUBLED:
            require(failed.verdict is not Verdict.dead, f"HTTP {status} ends in `dead`: a passing trouble loses the message")
        elif failed is not None:
            require(
                failed.verdict is Verdict.dead, f"HTTP {status} ends in `{failed.verdict}`: a refusal for good is tried for hours"
            )


def _failure_of(subject: Subject, status: int) -> SendFailed | None:
    """What a send ends in whose every answer has that status; other answers than that of the call that shows it are good."""
    world = begun(subject)
    row = next(world.prepared(text="hello", speaker=ANA))
    flow = subject.adapter.send(row, subject.account, world.now)
    try:
        call = next(flow)
        for _ in range(20):
            good = world.simulator.handle(world.as_request(call), world.now).answer if not call.visible else None
            answer = HttpReply(good.status, _lower(good.headers), good.body) if good else HttpReply(status, _JSON, _EMPTY)
            call = flow.send(answer)
    except StopIteration:
        return None
    except SendFailed as failed:
        return failed
    raise NotConforming(f"HTTP {status}: `send` calls on and on")


_JSON: Final = {"content-type": "application/json"}


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def check_refusals_are_no_success(subject: Subject) -> None:
    """In the provider's own words: trouble is tried again, not sooner than it asks; a customer who blocked us is final."""
    for wish, verdicts in (
        ({"status": 503}, {Verdict.again, Verdict.unknown}),
        ({"status": 429, "retry_after": _WAIT_SECONDS}, {Verdict.again}),
    ):
        world = begun(subject)
        if not world.does("say", text="mischief", details={"mischief": [wish]}):
            continue
        failed = _sent(world)
        require(isinstance(failed, SendFailed), f"the provider answered {wish}, and the adapter calls the message sent")
        if isinstance(failed, SendFailed):
            require(failed.verdict in verdicts, f"the provider answered {wish}, and the verdict is `{failed.verdict}`")
            wait = failed.again_at - world.now if failed.again_at and "retry_after" in wish else None
            close = timedelta(0) <= (wait or timedelta(0)) <= timedelta(hours=1)
            require(close, f"the provider asked to wait {_WAIT_SECONDS} seconds, and the message waits {wait}")
    world = begun(subject)
    named = _sent(world)
    if world.does("block"):
        ended = _sent(world)
        if isinstance(ended, SendFailed):
            require(ended.verdict is Verdict.dead, f"the customer has blocked us, and the verdict is `{ended.verdict}`")
        # Some providers take such a message and drop it; then the answer is that to any message.
        late = any(isinstance(one, InboundReceipt) and one.status is ReceiptStatus.failed for one in world.received)
        alike = isinstance(named, Sent) and isinstance(ended, Sent) and bool(named.message_ids) == bool(ended.message_ids)
        require(not isinstance(ended, Sent) or late or alike, "the customer has blocked us, and the message counts as sent")


def check_simulator_refuses_bad_credentials(subject: Subject) -> None:
    """With other secrets the provider takes nothing, and the adapter says so as a failure, not as sent."""
    world = begun(subject)
    others = {name: wrong(value) for name, value in subject.account if any(secrets_in(value))}
    if not others:
        return
    account = subject.account.model_copy(update=others)
    require(not isinstance(_sent(world, account), Sent), "the simulator took a call with wrong credentials")


def _sent(world: World, account: Account | None = None) -> Sent | SendFailed | Unsupported:
    """What becomes of a message, without looking at the handset."""
    row: Say = next(world.prepared(text="hello", speaker=ANA))
    try:
        return world.run(world.adapter.send(row, account or world.account, world.now))
    except (SendFailed, Unsupported) as failed:
        return failed
