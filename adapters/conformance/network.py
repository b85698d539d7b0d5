"""Flows and webhooks between an adapter and its simulator, without a network: the smallest driver and the smallest door there are.

They refuse what would lose or double messages in a running gateway, whatever the check is about.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from adapters.conformance.cases import require
from adapters.conformance.samples import NOW
from adapters.conformance.subject import Subject
from adapters.contract import Account, Answer, HttpCall, HttpReply, NoReply, ProviderCall, RawRequest, Shown, Simulator, T
from adapters.envelope import Inbound, InboundMessage, OutboundFile
from adapters.multipart import write_form
from adapters.simulation.reaching import path_at, path_below, webhook

_BOUNDARY: Final = "conformance-0123456789abcdef"


class Network:
    """An adapter and its simulator, joined. `received` are the events of all webhooks so far, in order; `calls` are the calls of all flows.

    A simulator is called below the account's `*_base` and `*_url` addresses, or, as in the demo, below one `base`.
    """

    def __init__(self, subject: Subject, base: str | None = None) -> None:
        self.subject, self.base = subject, base
        self.adapter, self.account = subject.adapter, subject.account
        self.simulator: Simulator = subject.adapter.simulate(subject.account)
        self.now = NOW
        self.memory: dict[str, Any] = {}
        self.files: dict[str, OutboundFile] = {}
        self.received: list[Inbound] = []
        self.calls: list[HttpCall] = []

    # ------------------------------------------------------------------------------------------------- flows

    def run(self, flow: Generator[HttpCall, HttpReply, T], *, lose: bool = False) -> T:
        """Play a flow to its end, the simulator answering. With `lose`, the answer to the first visible call is lost on its way back.
        Raises what the flow raises, and NotConforming for calls that could show a message twice."""
        pending: list[ProviderCall] = []
        before, shows = self.shown(), False
        try:
            call = next(flow)
            while True:
                self._check(call)
                shows = shows or call.visible is True
                already = self.shown()
                reply, calls = self._answer(call)
                pending += calls
                require(
                    call.visible or self.shown() <= already,
                    f"the handset shows a message after {call.method} {call.url!r}, which isn't marked visible: it may be sent twice",
                )
                if lose and call.visible:
                    lose, lost = False, NoReply("the answer was lost", sent=True)
                    call = flow.throw(lost)
                elif len(reply.body) > call.max_reply_bytes:
                    call = flow.throw(NoReply(f"the answer is longer than {call.max_reply_bytes} bytes", sent=True))
                else:
                    more = flow.send(reply)
                    require(
                        self.shown() <= already,
                        f"after the customer saw the message the flow calls {more.method} {more.url!r}: if that fails, all is sent again",
                    )
                    call = more
        except StopIteration as done:
            result: T = done.value
        finally:
            flow.close()
            self.settle(pending)
        require(shows or self.shown() <= before, "the handset shows a message, and no call of the flow was marked visible")
        return result

    def _check(self, call: HttpCall) -> None:
        self.calls.append(call)
        require(
            call.visible is not None,
            f"{call.method} {call.url!r} doesn't say whether the customer sees it: give it visible=True or visible=False",
        )
        require(
            not (call.visible and call.cache_seconds),
            f"{call.method} {call.url!r} is visible and cached: the second message is lost",
        )

    def shown(self) -> int:
        """How many lines of ours the handset shows or holds."""
        return sum(line.sender == "them" for line in self.simulator.handset(self.subject.customer))

    def handset(self) -> list[Shown]:
        """The handset, after whatever must be fetched for it."""
        self.settle(self.simulator.refresh(self.subject.customer, self.now))
        return self.simulator.handset(self.subject.customer)

    def _answer(self, call: HttpCall) -> tuple[HttpReply, Sequence[ProviderCall]]:
        outcome = self.simulator.handle(self.as_request(call), self.now)
        reply = as_reply(outcome.answer)
        if call.foreign and reply.status in (301, 302, 303, 307, 308):
            return self._answer(replace(call, url=urljoin(call.url, reply.headers.get("location", "")), headers={}))
        return reply, outcome.calls

    def as_request(self, call: HttpCall) -> RawRequest:
        """A flow's call as the simulator gets it."""
        if self.base is None:
            path = path_below(call.url, self.account)
        else:  # as the demo, which sees the path alone
            below = call.url.startswith(self.base)
            path = path_at(urlsplit(call.url).path, self.account, urlsplit(self.base).path) if below else None
        require(path is not None, f"{call.url} isn't below {self.base or 'any *_base or *_url of the account'}")
        body, content_type = write_form(call.fields, call.files, _BOUNDARY) if call.files else (call.body, "")
        if call.fields and not call.files:
            body, content_type = urlencode(call.fields).encode(), "application/x-www-form-urlencoded"
        headers = {key.lower(): value for key, value in call.headers.items()} | (
            {"content-type": content_type} if content_type else {}
        )
        pairs = tuple(parse_qsl(call.url.partition("?")[2], keep_blank_values=True))
        return RawRequest(call.method, call.url, path or "", pairs, headers, body, self.now)

    # ---------------------------------------------------------------------------------------------- webhooks

    def settle(self, calls: Sequence[ProviderCall]) -> list[ProviderCall]:
        """Answer the provider's calls as the gateway would, and those that follow; all of them, in order."""
        waiting = list(calls)
        done: list[ProviderCall] = []
        while waiting:
            require(len(done) < 1_000, "the simulator never ceases to call")
            call = waiting.pop(0)
            done.append(call)
            answer = self._served(call) if call.purpose == "fetch" else self._took(call)
            waiting += self.simulator.settled(call, answer, self.now)
        return done

    def _served(self, call: ProviderCall) -> Answer:
        file = self.files.get(call.url)
        return Answer(200, file.content, {"content-type": file.mime_type}) if file else Answer(404)

    def _took(self, call: ProviderCall) -> Answer:
        for event in self.understood(call):
            self.received.append(event)
            if isinstance(event, InboundMessage):
                self._remember(event.remember)
        request = as_request(call, self.account, self.now)
        return self.adapter.handshake(request, self.account) or self.adapter.accepted

    def understood(self, call: ProviderCall) -> list[Inbound]:
        """What a webhook of the simulator's says; none for a fetch or a handshake."""
        if call.purpose == "fetch":
            return []
        request = as_request(call, self.account, self.now)
        require(request.method in self.adapter.methods, f"the simulator calls with {request.method}")
        if self.adapter.handshake(request, self.account) is not None:
            return []
        self.adapter.verify(request, self.account, self.now)
        return self.adapter.parse(request, self.account)

    def _remember(self, news: Mapping[str, Any]) -> None:
        merged = {**self.memory, **news}
        self.memory = {key: value for key, value in merged.items() if value is not None}


def as_reply(answer: Answer) -> HttpReply:
    """A simulated answer as a flow gets to see it."""
    return HttpReply(answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.body)


def as_request(call: ProviderCall, account: Account, now: datetime) -> RawRequest:
    """A provider's webhook as the gateway hands it to the adapter."""
    require(call.url.startswith(account.webhook_url), f"the webhook goes to {call.url}, not below {account.webhook_url}")
    return webhook(call, account, now)
