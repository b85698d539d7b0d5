"""What every adapter must do, as checks that a few lines of pytest run. For our own channels and for plug-ins alike.

A channel describes itself once as a `Suite`; its test is then:

    @pytest.mark.parametrize("check", SUITE.checks(), ids=str)
    def test_conformance(check):
        check.run()

The checks raise `NotConforming` (an AssertionError). They do no I/O but reading the fixtures, and need no pytest.
adapters/README.md tells how to write a suite and fixtures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, SecretStr, ValidationError

from adapters.contract import Account, Adapter, Answer, HttpCall, HttpReply, RawRequest, T
from adapters.envelope import (
    INBOUND,
    Address,
    Inbound,
    InboundMessage,
    InboundReceipt,
    InboundUnknown,
    MediaPart,
    Notice,
    Outbound,
    OutboundFile,
    Say,
    Speaker,
)
from adapters.errors import AdapterError, NotAuthentic, NotUnderstood, SendFailed, Unsupported
from adapters.simulation import Action, CannotAct, ProviderCall, Shown, SimFile, Simulator
from adapters.text import prepare

NOW: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

# A picture of one dot, small enough for every channel.
PICTURE: Final = SimFile(
    name="dot.png",
    mime_type="image/png",
    content=bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    ),
)

HOSTILE: Final[Sequence[str]] = (
    "",
    " ",
    "=",
    ",",
    ".",
    "..",
    "None",
    "Bearer",
    "Bearer ",
    "Bearer ..",
    "Bearer é.☂.𝒳",
    "Basic ☂",
    "é☂ ünï",
    "\u202egnitset\u202c",
    "\udcff\ud800",
    "\x00\x01\x7f",
    "".join(map(chr, range(256))),
    "sha256=",
    "sha256=zz",
    "sha256=" + "0" * 64,
    "v1,",
    "v1,AAAA v1,☂",
    "k=,=v,,=;",
    "A" * 27 + "=",
    "9" * 400,
    "-1",
    "NaN",
    "a" * 100_000,
    "." * 100_000,
)

BROKEN: Final[Sequence[bytes]] = (
    b"",
    b" ",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"0",
    b'"x"',
    b"[[[]]]",
    b'{"a":',
    b'[null, 1, "x", {}]',
    b'{"events": 7, "entry": 7, "object": 7, "type": 7, "messages": 7}',
    b'{"events": [7, null], "entry": [7, {"changes": 7, "messaging": [7]}], "object": "page"}',
    b'{"events": [{"type": 7}], "entry": [{"changes": [{"value": {"messages": [{"type": [], "from": {}}]}}]}]}',
    b"a=b",
    b"=&=&&;",
    b"%zz=%&%%%=%00",
    b"\xff\xfe\x00\x80",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 10_000,
    b"<xml/>",
)


# Joined emoji, marks for writing to the left, letters beyond 16 bits, markup: all of it comes and goes as it was written.
UNICODE: Final[Sequence[str]] = (
    "👩‍👩‍👧‍👦 e\u0301 ﷽ 𐏿 日本語 עברית العربية",
    "\u202eright to left\u202c \u2066isolated\u2069",
    "<b>&amp;</b> %20 +1 \\n {name} $(x) 'q' \"q\" `q` *b* _i_ ~s~",
    "line one\nline two\twith a tab",
)


class NotConforming(AssertionError):
    """An adapter doesn't do what every adapter must; the text says what was expected and what came."""


def require(condition: object, message: str) -> None:
    """Raise NotConforming with that message unless the condition holds."""
    if not condition:
        raise NotConforming(message)


# ------------------------------------------------------------------------------------------------- fixtures


@dataclass(frozen=True)
class Case:
    """One recorded request and what it says.

    `expected` is a list of envelopes (as JSON without `raw` and defaults), or, for a handshake, `{"status", "body"}` of the answer.
    """

    name: str
    request: RawRequest = field(repr=False)
    expected: Any = field(repr=False)
    source: str = ""

    def __str__(self) -> str:
        return self.name


def load_cases(folder: Path, adapter: Adapter[Any], account: Account) -> tuple[Case, ...]:
    """The cases of a folder, by name: `<name>.body`, `<name>.headers.json` and `<name>.expected.json` each.

    Raises NotConforming for a case that is not whole, names no source, or could never reach this account.
    """
    cases = tuple(_load(path) for path in sorted(folder.glob("*.headers.json")))
    require(cases, f"no fixtures in {folder}")
    for case in cases:
        require(case.source, f"{case.name}: headers.json names no source")
        require(case.request.method in adapter.methods, f"{case.name}: the adapter takes no {case.request.method}")
        require(case.request.url.startswith(account.webhook_url), f"{case.name}: the url is not below {account.webhook_url}")
    return cases


def _load(path: Path) -> Case:
    name = path.name.removesuffix(".headers.json")
    stored = json.loads(path.read_text("utf-8"))
    request = RawRequest(
        method=stored.get("method", "POST"),
        url=stored["url"],
        path=stored.get("path", ""),
        query=_query(stored),
        headers={key.lower(): value for key, value in stored["headers"].items()},
        body=(path.parent / f"{name}.body").read_bytes(),
        received_at=datetime.fromisoformat(stored["received_at"]) if "received_at" in stored else NOW,
    )
    return Case(name, request, json.loads((path.parent / f"{name}.expected.json").read_text("utf-8")), stored.get("source", ""))


def _query(stored: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """As pairs, an object, or a string; without any, that of the url."""
    query = stored.get("query")
    if query is None or isinstance(query, str):
        return tuple(parse_qsl(query if query is not None else urlsplit(stored["url"]).query, keep_blank_values=True))
    pairs = query.items() if isinstance(query, dict) else query
    return tuple((str(key), str(value)) for key, value in pairs)


def told(envelope: BaseModel) -> dict[str, Any]:
    """An envelope as fixtures write it: JSON, without `raw` and defaults, but with `kind` and `type`."""
    exact = envelope.model_dump(mode="json", exclude={"raw"})
    brief = envelope.model_dump(mode="json", exclude={"raw"}, exclude_defaults=True)
    return dict(_with_tags(brief, exact))


def _told_briefly(expected: Any) -> Any:
    """What a fixture expects, without the defaults that it may spell out."""
    try:
        return told(INBOUND.validate_python(expected))
    except ValidationError:
        return expected


def _with_tags(brief: Any, exact: Any) -> Any:
    if isinstance(brief, dict):
        tags = {tag: exact[tag] for tag in ("kind", "type") if tag in exact}
        return tags | {key: _with_tags(value, exact[key]) for key, value in brief.items()}
    if isinstance(brief, list):
        return [_with_tags(*both) for both in zip(brief, exact, strict=True)]
    return brief


def _alike(expected: Any, actual: Any) -> bool:
    """Equal, but that `kind` and `type` may be missing from what is expected."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        wanted = set(expected) | ({"kind", "type"} & set(actual))
        return wanted == set(actual) and all(_alike(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(_alike(*both) for both in zip(expected, actual, strict=True))
    return bool(expected == actual) and isinstance(expected, bool) == isinstance(actual, bool)


# ---------------------------------------------------------------------------------------------------- suite


class Check(NamedTuple):
    """One thing that is checked: `(name, run)`."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


def _rotate_all(account: Account) -> Account:
    """The account with a new secret before the old ones, wherever secrets rotate."""
    fresh = {
        name: (SecretStr(f"a-new-{name}-{'0123456789abcdef' * 2}"), *value)
        for name, value in account
        if isinstance(value, tuple) and value and all(isinstance(one, SecretStr) for one in value)
    }
    return account.model_copy(update=fresh)


@dataclass(frozen=True)
class Suite:
    """A channel, and what the checks must know of it.

    `account` is the test account that the fixtures are signed for. `sign(request, account)` gives the request with the headers (and
    query) that the provider would send with this body, signed with the account's first secret. `proof_headers` carry the proof.
    `body_is_signed` False: the proof covers no body (Apple's token, say), so a changed body can't be told.
    `rotate` gives the account with a new secret before the old; by default every tuple of secrets is rotated. `customer` is the
    handset's owner. `skip` names checks that can't hold on this channel, each with its reason.
    """

    adapter: Adapter[Any]
    account: Any
    fixtures: Path
    sign: Callable[[RawRequest, Any], RawRequest]
    proof_headers: tuple[str, ...]
    body_is_signed: bool = True
    rotate: Callable[[Any], Any] = _rotate_all
    customer: str = "kim"
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The channel's fixtures."""
        return load_cases(self.fixtures, self.adapter, self.account)

    @property
    def events(self) -> tuple[Case, ...]:
        """The fixtures that are events, not handshakes."""
        return tuple(case for case in self.cases if isinstance(case.expected, list))

    def checks(self) -> Iterator[Check]:
        """Every check, those of single fixtures once for each."""
        for case in self.cases:
            yield Check(f"parses[{case.name}]", partial(check_parses, self, case))
        for check in CHECKS:
            name = check.__name__.removeprefix("check_")
            if name not in self.skip:
                yield Check(name, partial(check, self))


# --------------------------------------------------------------------------------------------------- proofs


def check_parses(suite: Suite, case: Case) -> None:
    """The recorded request is authentic, and says what stands beside it."""
    if not isinstance(case.expected, list):
        answer = suite.adapter.handshake(case.request, suite.account)
        require(answer is not None, f"{case.name}: no handshake's answer")
        given = {"status": answer.status, "body": answer.body.decode()} if answer else {}
        require(given == case.expected, f"{case.name}: answered {given}, expected {case.expected}")
        return
    require(suite.adapter.handshake(case.request, suite.account) is None, f"{case.name}: an event, but taken for a handshake")
    suite.adapter.verify(case.request, suite.account, case.request.received_at)
    actual = [told(one) for one in suite.adapter.parse(case.request, suite.account)]
    expected = [_told_briefly(one) for one in case.expected]
    if not _alike(expected, actual):
        raise NotConforming(f"{case.name}: parse gave\n{_pretty(actual)}\nexpected\n{_pretty(expected)}")


def check_unsigned_is_refused(suite: Suite) -> None:
    """Without any proof: NotAuthentic with status 401."""
    for case in suite.events:
        refusal = _refusal(suite, _without(case.request, suite.proof_headers))
        require(refusal is not None, f"{case.name}: taken without a proof")
        require(refusal is None or refusal.status == 401, f"{case.name}: no proof came, so the status must be 401")


def check_one_byte_changed_is_refused(suite: Suite) -> None:
    """One byte of what the proof covers is another: NotAuthentic."""
    for case in suite.events:
        for changed in _changed(suite, case.request):
            require(_refusal(suite, changed), f"{case.name}: taken though a byte was changed: {changed.body[:200]!r}")


def _changed(suite: Suite, request: RawRequest) -> Iterator[RawRequest]:
    """Letters and digits only: a form may spell other bytes in two ways that mean the same."""
    if suite.body_is_signed:
        spots = [index for index, byte in enumerate(request.body) if chr(byte).isalnum() and byte < 128]
        for spot in spots[:: max(1, len(spots) // 40)]:
            yield replace(request, body=_with_byte(request.body, spot))
    for name in suite.proof_headers:
        value = request.headers.get(name, "")
        # The last letters of base64 may carry bits that mean nothing, so a middle one.
        spots = [index for index, letter in enumerate(value) if letter.isascii() and letter.isalnum()]
        if spots and value.isascii():
            other = _with_byte(value.encode(), spots[len(spots) * 2 // 3]).decode()
            yield replace(request, headers={**request.headers, name: other})


def _with_byte(data: bytes, spot: int) -> bytes:
    """Another letter or digit there, and not the same letter in the other case."""
    alphabet = b"0123456789" if chr(data[spot]).isdigit() else b"klmnopqrstuvwxyz"
    other = alphabet[(alphabet.find(data[spot : spot + 1].lower()) + 1) % len(alphabet)]
    return data[:spot] + bytes([other]) + data[spot + 1 :]


def check_hostile_signatures_are_refused(suite: Suite) -> None:
    """Whatever stands in the proof's headers ends in NotAuthentic; garbage in any other header, in that or in nothing."""
    for case in suite.events:
        for name in suite.proof_headers:
            for value in HOSTILE:
                forged = replace(case.request, headers={**case.request.headers, name: value})
                require(_refusal(suite, forged), f"{case.name}: taken with {name}: {value[:40]!r}")
        for name in set(case.request.headers) - set(suite.proof_headers):
            for value in HOSTILE:
                _refusal(suite, replace(case.request, headers={**case.request.headers, name: value}))


def check_no_secret_no_entry(suite: Suite) -> None:
    """An account whose secrets are missing takes nothing."""
    empty = {name: _emptied(value) for name, value in suite.account if any(_secrets(value))}
    bare = replace(suite, account=suite.account.model_copy(update=empty))
    for case in suite.events if empty else ():
        require(_refusal(bare, case.request), f"{case.name}: taken by an account without secrets")


def check_second_secret(suite: Suite) -> None:
    """While a secret is rotated, the old one and the new one are both good; before that, the new one is not."""
    rotated = replace(suite, account=suite.rotate(suite.account))
    require(rotated.account != suite.account, "the account has no secret that rotates: give the suite a `rotate`, or skip this")
    for case in suite.events:
        fresh = rotated.sign(case.request, rotated.account)
        require(_refusal(rotated, case.request) is None, f"{case.name}: the old secret is refused while both are there")
        require(_refusal(rotated, fresh) is None, f"{case.name}: the new secret is refused")
        require(_refusal(suite, fresh), f"{case.name}: a secret that we don't know is accepted")


# --------------------------------------------------------------------------------------------------- parsing


def check_same_bytes_same_events(suite: Suite) -> None:
    """A redelivery has the same event ids; within a request no two are the same."""
    for case in suite.events:
        first = suite.adapter.parse(case.request, suite.account)
        again = suite.adapter.parse(
            replace(case.request, received_at=case.request.received_at + timedelta(days=6)), suite.account
        )
        ids = [one.event_id for one in first]
        require(ids == [one.event_id for one in again], f"{case.name}: other event ids on redelivery")
        require(len(set(ids)) == len(ids) and all(ids), f"{case.name}: event ids are empty or not unique: {ids}")


def check_unknown_events_are_kept(suite: Suite) -> None:
    """There is a fixture of an event that we don't know; whatever is unknown keeps its raw event and says what it was."""
    found = [one for case in suite.events for one in _parsed(suite, case) if isinstance(one, InboundUnknown)]
    require(found, "no fixture holds an event of an unknown kind")
    for one in found:
        require(one.raw and one.reason, f"an unknown event ({one.event_id}) without its raw event or a reason")


def check_broken_body_is_not_understood_or_unknown(suite: Suite) -> None:
    """Signed nonsense is NotUnderstood or unknown, never another error, and never a message."""
    case = suite.events[0]
    for body in (*BROKEN, case.request.body[: len(case.request.body) // 2], case.request.body + b"\xff"):
        request = suite.sign(replace(case.request, body=body), suite.account)
        if body in (*BROKEN,):
            require(_only_unknown(suite, request), f"{body[:60]!r} gave something else than unknown events")
        else:
            _only_unknown(suite, request)


def _only_unknown(suite: Suite, request: RawRequest) -> bool:
    if _refusal(suite, request):
        return True
    try:
        return all(isinstance(one, InboundUnknown) for one in suite.adapter.parse(request, suite.account))
    except NotUnderstood:
        return True


def check_mutilated_bytes_are_taken_or_refused(suite: Suite) -> None:
    """Fixtures with bytes lost, doubled or put in: only NotAuthentic and NotUnderstood come out, signed or not."""
    chance = Random(1)  # noqa: S311  # the same mutilations on each run
    for case in suite.events:
        for _ in range(12):
            request = replace(case.request, body=_mutilated(case.request.body, chance))
            _refusal(suite, request)
            signed = suite.sign(request, suite.account)
            if _refusal(suite, signed) is None:
                with suppress(NotUnderstood):
                    suite.adapter.parse(signed, suite.account)


def _mutilated(body: bytes, chance: Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        spot = chance.randrange(len(changed) + 1)
        width = chance.choice((0, 0, 1, 7))
        changed[spot : spot + width] = chance.choice(
            (b"", b"\x00", b"\xff", b'"', b"{", b"[]", b"null", b"-1", b"%00", b"1e999", b"\\ud800")
        )
    return bytes(changed)


def check_capabilities_have_fixtures(suite: Suite) -> None:
    """What the capabilities say comes in, stands in a fixture; and the other way round."""
    found: set[str] = set()
    statuses: set[str] = set()
    for one in [one for case in suite.events for one in _parsed(suite, case)]:
        found |= _names(one)
        statuses |= {str(one.status)} if isinstance(one, InboundReceipt) else set()
    declared = suite.adapter.capabilities
    require(declared.inbound <= found, f"declared, but in no fixture: {sorted(declared.inbound - found)}")
    extra = found - declared.inbound - {"unknown", "message.unknown"}
    require(not extra, f"in fixtures, but not declared: {sorted(extra)}")
    require(statuses == declared.receipts, f"receipts declared {sorted(declared.receipts)}, in fixtures {sorted(statuses)}")


def _names(event: Inbound) -> set[str]:
    if not isinstance(event, InboundMessage):
        return {event.kind}
    return {f"message.{part.media if isinstance(part, MediaPart) else part.type}" for part in event.parts}


# --------------------------------------------------------------------------------------------------- secrets


def check_secrets_absent_from_repr(suite: Suite) -> None:
    """No secret stands in the account's repr, in an error, in an operator's hint, or in a call's repr."""
    secrets = list(_secrets(suite.account))
    shown = [repr(suite.account), str(suite.account), suite.account.model_dump_json()]
    for case in suite.events[:3]:
        for forged in (_without(case.request, suite.proof_headers), *_changed(suite, case.request)):
            refusal = _refusal(suite, forged)
            shown += [repr(refusal), str(refusal), refusal.hint] if refusal else []
        shown += [repr(one) for one in _parsed(suite, case)]
    for status in (400, 401, 403, 404, 429, 500):
        shown += _said_on_failure(suite, status)
    for secret in secrets:
        require(not any(secret in text for text in shown), "a secret stands in a repr, an error or a hint")


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        if value.get_secret_value():
            yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, member in value:
            yield from _secrets(member)
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _secrets(member)
    elif isinstance(value, tuple | list | set | frozenset):
        for member in value:
            yield from _secrets(member)


def _emptied(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return SecretStr("")
    return type(value)() if isinstance(value, tuple | list | dict) else value


def _said_on_failure(suite: Suite, status: int) -> list[str]:
    """The calls of a send whose every answer is that status, and the error it ends in."""
    texts: list[str] = []
    to = next(one.end_user.address for case in suite.events for one in _parsed(suite, case) if one.end_user)
    flow = suite.adapter.send(_say(suite, to, {}, text="hello"), suite.account, NOW)
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


# --------------------------------------------------------------------------------- simulator and adapter agree


def check_simulator_and_adapter_agree(suite: Suite) -> None:
    """There and back: what the simulated customer says is authentic and understood, and what we say is on the handset."""
    world = World(suite)
    for text in ("hello from the handset", *UNICODE):
        world.says_text(text)
    if "message.image" in suite.adapter.capabilities.inbound:
        world.says_picture()
    for text in ("hello from the desk", *UNICODE):
        world.hears_text(text)
    world.hears_notice("Ana joined")
    if "say.image" in suite.adapter.capabilities.outbound:
        world.hears_picture()


def check_redelivery_is_the_same_event(suite: Suite) -> None:
    """A webhook that the simulator delivers twice gives the same event ids twice."""
    world = World(suite)
    try:
        calls = world.act(Action(kind="say", customer=suite.customer, text="twice", details={"times": 2}))
    except CannotAct:
        return
    found = [one.event_id for call in calls for one in world.understood(call) if isinstance(one, InboundMessage)]
    require(len(found) >= 2, "`times: 2` gave fewer than two deliveries")
    require(len(set(found)) == 1, f"the same message came with other event ids: {found}")


def check_simulator_refuses_bad_credentials(suite: Suite) -> None:
    """With other secrets the provider takes nothing, and the adapter says so as a failure, not as sent."""
    world = World(suite)
    world.says_text("hello")
    wrong = suite.account.model_copy(update={name: _wrong(value) for name, value in suite.account if any(_secrets(value))})
    if not any(_secrets(suite.account)):
        return
    try:
        world.run(suite.adapter.send(world.say(text="hello"), wrong, world.now))
    except (SendFailed, Unsupported):
        return
    raise NotConforming("the simulator took a call with wrong credentials")


def _wrong(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return SecretStr(f"wrong{value.get_secret_value()[5:]}")
    if isinstance(value, tuple):
        return tuple(_wrong(one) for one in value)
    return {key: _wrong(one) for key, one in value.items()} if isinstance(value, dict) else value


class World:
    """An adapter and its simulator joined without a network: the smallest gateway there is."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.adapter, self.account = suite.adapter, suite.account
        self.simulator: Simulator = suite.adapter.simulate(suite.account)
        self.now = NOW
        self.memory: dict[str, Any] = {}
        self.address = Address("")
        self.files: dict[str, OutboundFile] = {}
        self._count = 0

    # ------------------------------------------------------------------------------------------- the customer

    def act(self, action: Action) -> list[ProviderCall]:
        """The customer does something; the calls that the provider makes thereupon, all settled."""
        return self.settle(self.simulator.act(action, self.now).calls)

    def says_text(self, text: str) -> InboundMessage:
        """A text reaches us, and the handset shows it as sent."""
        calls = self.act(Action(kind="say", customer=self.suite.customer, text=text))
        message = self._message(calls)
        require(message.plain == text, f"said {text!r}, understood {message.plain!r}")
        mine = [line for line in self.handset() if line.sender == "me" and line.text == text]
        require(mine and mine[-1].status == "sent", f"the handset doesn't show {text!r} as sent: {mine}")
        return message

    def says_picture(self) -> None:
        """A picture reaches us, and its bytes can be fetched."""
        calls = self.act(Action(kind="say", customer=self.suite.customer, file=PICTURE))
        part = next((part for part in self._message(calls).parts if isinstance(part, MediaPart)), None)
        require(part is not None and part.media == "image", f"a picture came as {part}")
        if part is not None:
            fetched = self.run(self.adapter.media(part, self.account, self.now))
            require(fetched.content == PICTURE.content, "the fetched picture has other bytes")
            require(fetched.mime_type == PICTURE.mime_type, f"the fetched picture is called {fetched.mime_type}")

    def _message(self, calls: Sequence[ProviderCall]) -> InboundMessage:
        found = [one for call in calls for one in self.understood(call) if isinstance(one, InboundMessage)]
        require(found, "the simulator's webhook holds no message")
        self.address = found[-1].end_user.address
        return found[-1]

    def handset(self) -> list[Shown]:
        """The handset, after whatever must be fetched for it."""
        self.settle(self.simulator.refresh(self.suite.customer, self.now))
        return self.simulator.handset(self.suite.customer)

    # ------------------------------------------------------------------------------------------------------ us

    def say(self, **content: Any) -> Say:
        """A message of ours to that customer."""
        self._count += 1
        return _say(self.suite, self.address, self.memory, outbox_id=f"msg_{self._count}", at=self.now, **content)

    def hears_text(self, text: str) -> None:
        """A rep's text is on the handset."""
        speaker = Speaker(id="ana", name="Ana")
        self.send(*prepare(self.say(text=text, speaker=speaker), self.adapter.capabilities))
        line = self._last("message")
        require(text in (line.text or ""), f"said {text!r}, the handset shows {line.text!r}")
        named = f"{line.speaker or ''} {line.text or ''}"
        require("Ana" in named, f"the handset doesn't tell who speaks: {line}")

    def hears_notice(self, text: str) -> None:
        """A notice is on the handset, apart from messages."""
        self._count += 1
        say = self.say()
        notice = Notice(
            code="joined", text=text, about=Speaker(id="ana", name="Ana"), **_common(say) | {"id": f"ntc_{self._count}"}
        )
        self.send(notice)
        line = self._last("notice")
        require(text in (line.text or ""), f"the notice {text!r} is shown as {line.text!r}")

    def hears_picture(self) -> None:
        """A rep's picture is on the handset, byte for byte."""
        url = f"https://files.example/{self._count}/{PICTURE.name}"
        file = OutboundFile(
            name=PICTURE.name, mime_type=PICTURE.mime_type, size_bytes=len(PICTURE.content), url=url, content=PICTURE.content
        )
        self.files[url] = file
        self.send(*prepare(self.say(file=file), self.adapter.capabilities))
        shown = next((line.media for line in reversed(self.handset()) if line.sender == "them" and line.media), None)
        require(shown is not None, "the handset shows no picture")
        kept = self.simulator.file(str(shown["file_id"])) if shown else None
        require(kept is not None and kept.content == PICTURE.content, "the handset's picture has other bytes")

    def send(self, *messages: Outbound) -> None:
        """Run the adapter's flows against the simulator, then let it do what it does."""
        for message in messages:
            sent = self.run(self.adapter.send(message, self.account, self.now))
            self._remember(sent.remember)

    def _last(self, kind: str) -> Shown:
        lines = [line for line in self.handset() if line.sender == "them"]
        require(lines and lines[-1].kind == kind, f"the handset's last line is no {kind}: {lines[-1:]}")
        return lines[-1]

    # --------------------------------------------------------------------------------------------- the network

    def run(self, flow: Generator[HttpCall, HttpReply, T]) -> T:
        """Play a flow to its end, the simulator answering."""
        pending: list[ProviderCall] = []
        try:
            call = next(flow)
            while True:
                reply, calls = self._answer(call)
                pending += calls
                call = flow.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            self.settle(pending)

    def _answer(self, call: HttpCall) -> tuple[HttpReply, Sequence[ProviderCall]]:
        outcome = self.simulator.handle(self.as_request(call), self.now)
        reply = as_reply(outcome.answer)
        if call.foreign and reply.status in (301, 302, 303, 307, 308):
            return self._answer(replace(call, url=urljoin(call.url, reply.headers.get("location", "")), headers={}))
        return reply, outcome.calls

    def as_request(self, call: HttpCall) -> RawRequest:
        """A flow's call as the simulator gets it."""
        bases = sorted({v for k, v in self.account if k.endswith("_base") and v and call.url.startswith(v)}, key=len)
        require(bases, f"{call.url} is below none of the account's *_base addresses")
        body, content_type = _multipart(call) if call.files else (call.body, "")
        if call.fields and not call.files:
            body, content_type = urlencode(call.fields).encode(), "application/x-www-form-urlencoded"
        headers = {key.lower(): value for key, value in call.headers.items()} | (
            {"content-type": content_type} if content_type else {}
        )
        path, _, query = call.url.removeprefix(bases[-1]).partition("?")
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        return RawRequest(call.method, call.url, path, pairs, headers, body, self.now)

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
            if event.end_user is not None and isinstance(event, InboundMessage):
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
    path, _, query = call.url.removeprefix(account.webhook_url).partition("?")
    headers = {key.lower(): value for key, value in call.headers.items()}
    return RawRequest(call.method, call.url, path, tuple(parse_qsl(query, keep_blank_values=True)), headers, call.body, now)


# -------------------------------------------------------------------------------------------------- the pieces


def _say(
    suite: Suite, to: Address, memory: Mapping[str, Any], *, outbox_id: str = "msg_0", at: datetime = NOW, **content: Any
) -> Say:
    return Say(
        id=outbox_id,
        channel_id=suite.account.channel_id,
        to=to,
        retry_key=str(uuid5(NAMESPACE_URL, outbox_id)),
        created_at=at,
        memory=dict(memory),
        last_inbound_at=at,
        **content,
    )


def _common(say: Say) -> dict[str, Any]:
    names = ("id", "channel_id", "to", "retry_key", "created_at", "memory", "last_inbound_at")
    return {name: getattr(say, name) for name in names}


def _multipart(call: HttpCall) -> tuple[bytes, str]:
    boundary = "conformance-0123456789abcdef"
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in call.fields.items()
    ]
    for file in call.files:
        disposition = f'content-disposition: form-data; name="{file.field}"; filename="{file.name}"'
        parts.append(f"--{boundary}\r\n{disposition}\r\ncontent-type: {file.mime_type}\r\n\r\n".encode() + file.content + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def _parsed(suite: Suite, case: Case) -> list[Inbound]:
    return suite.adapter.parse(case.request, suite.account)


def _refusal(suite: Suite, request: RawRequest) -> NotAuthentic | None:
    """The refusal that verifying ends in, or None; any other error comes through."""
    try:
        suite.adapter.verify(request, suite.account, request.received_at)
    except NotAuthentic as refusal:
        return refusal
    return None


def _without(request: RawRequest, names: Sequence[str]) -> RawRequest:
    return replace(request, headers={key: value for key, value in request.headers.items() if key not in names})


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


CHECKS: Final[Sequence[Callable[[Suite], None]]] = (
    check_unsigned_is_refused,
    check_one_byte_changed_is_refused,
    check_hostile_signatures_are_refused,
    check_no_secret_no_entry,
    check_second_secret,
    check_same_bytes_same_events,
    check_unknown_events_are_kept,
    check_broken_body_is_not_understood_or_unknown,
    check_mutilated_bytes_are_taken_or_refused,
    check_secrets_absent_from_repr,
    check_capabilities_have_fixtures,
    check_simulator_and_adapter_agree,
    check_redelivery_is_the_same_event,
    check_simulator_refuses_bad_credentials,
)
