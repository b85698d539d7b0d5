"""The rules of the grades, each with its number. A number is never given to another rule; docs/grades.md lists them all."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from adapters import levels
from adapters.conformance.grading import Grade, Graded, Missing, Rule
from adapters.conformance.samples import NOW
from adapters.conformance.suite import CHECKS
from adapters.conformance.world import say
from adapters.contract import CONTRACT, HttpReply
from adapters.envelope import InboundMessage, InboundReceipt, InboundUnknown
from adapters.errors import SendFailed, Verdict
from adapters.levels import Level
from adapters.replies import CODES, Meaning

_SECRET: Final = re.compile(r"(?!.*public).*(secret|token|password|api_key|private_key)s?")
_FEW: Final = 10
_MANY: Final = 25
_SOME_KINDS: Final = 8


# --------------------------------------------------------------------------------------------- what rules are made of


def _of_kit(name: str) -> Callable[[Graded], Missing]:
    """The check of the kit with that name; what it found is what is missing."""

    def check(graded: Graded) -> Missing:
        found = next(one for one in CHECKS if one.__name__ == f"check_{name}")
        found(graded.suite)
        return None

    return check


def _declares(names: str, among: str) -> Callable[[Graded], Missing]:
    """All of these names stand in a set of the capabilities."""
    wanted = frozenset(names.split())

    def check(graded: Graded) -> Missing:
        lacking = wanted - getattr(graded.adapter.capabilities, among)
        return f"capabilities.{among} lacks {', '.join(sorted(lacking))}" if lacking else None

    return check


def _any_of(names: str, among: str) -> Callable[[Graded], Missing]:
    wanted = frozenset(names.split())

    def check(graded: Graded) -> Missing:
        return (
            None
            if wanted & getattr(graded.adapter.capabilities, among)
            else f"capabilities.{among} has none of {', '.join(sorted(wanted))}"
        )

    return check


def _fixtures(least: int) -> Callable[[Graded], Missing]:
    def check(graded: Graded) -> Missing:
        count = len(graded.suite.cases)
        return f"there are {count} fixtures, and {least} are wanted" if count < least else None

    return check


def _answered(status: int, *verdicts: Verdict, code: str | None = None, throttles: bool = False) -> Callable[[Graded], Missing]:
    """A send whose every answer has that status ends in one of these verdicts."""

    def check(graded: Graded) -> Missing:
        failed = _failed_with(graded, status)
        if failed is None:
            return f"an answer with status {status} counts as sent"
        if failed.verdict not in verdicts or (code and failed.code != code):
            return f"status {status} is {failed.verdict} {failed.code}, and {' or '.join(verdicts)} {code or ''} is wanted"
        return f"status {status} doesn't slow the account down" if throttles and not failed.throttles_account else None

    return check


def _failed_with(graded: Graded, status: int) -> SendFailed | None:
    user = next(one.end_user for one in graded.events if one.end_user)
    flow = graded.adapter.send(say(graded.suite, user.address, {}, text="hello"), graded.suite.account, NOW)
    try:
        next(flow)
        while True:
            flow.send(HttpReply(status, {"content-type": "application/json"}, b"{}"))
    except StopIteration:
        return None
    except SendFailed as failed:
        return failed


# ------------------------------------------------------------------------------------------------ rules of their own


def _contract(graded: Graded) -> Missing:
    return (
        None
        if graded.adapter.contract == CONTRACT
        else f"it is written for contract {graded.adapter.contract}, and {CONTRACT} is the current one"
    )


def _name(graded: Graded) -> Missing:
    adapter = graded.adapter
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", adapter.kind):
        return f"the kind {adapter.kind!r} isn't made of small letters, digits and -"
    return None if adapter.title.strip() else "the title is empty"


def _fields(model: Any, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if not field.exclude:
            yield prefix + name, field
            if _is_group(field.annotation):
                yield from _fields(field.annotation, f"{prefix}{name}.")


def _described(graded: Graded) -> Missing:
    silent = [
        name for name, field in _fields(graded.adapter.account) if not field.description and not _is_group(field.annotation)
    ]
    return f"settings without a description: {', '.join(silent)}" if silent else None


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))


def _secret(graded: Graded) -> Missing:
    open_ones = [
        name for name, field in _fields(graded.adapter.account) if _SECRET.fullmatch(name) and not _holds_secret(field.annotation)
    ]
    return f"settings that hold a secret and are no SecretStr: {', '.join(open_ones)}" if open_ones else None


def _demo(graded: Graded) -> Missing:
    hook = f"https://gw.example.test/webhooks/{graded.adapter.kind}"
    made_up = graded.adapter.demo(graded.adapter.kind, "https://api.example.test/sim/x", hook)
    graded.adapter.account.model_validate({**made_up, "channel_id": graded.adapter.kind, "webhook_url": hook})
    return None


def _package(graded: Graded) -> str:
    module = graded.adapter.account.__module__
    return module.rpartition(".")[0] or module


def _about(graded: Graded) -> Missing:
    words = (sys.modules[_package(graded)].__doc__ or "").strip()
    return None if len(words) > 20 else f"the package {_package(graded)} has no docstring that says what the channel is"


def _sources(graded: Graded) -> Missing:
    """Somewhere in the docstrings of the package, or of what it shares with others, the provider's pages are named."""
    named = any(re.search(r"https?://|[Ss]ource:|docs/", module.__doc__ or "") for module in _modules(graded))
    return None if named else "no docstring of the package names the provider's pages (Source: …)"


def _parses(graded: Graded) -> Missing:
    for check in graded.suite.checks():
        if check.name.startswith("parses["):
            check.run()
    return None


def _rest_of_kit(graded: Graded) -> Missing:
    for check in CHECKS:
        name = check.__name__.removeprefix("check_")
        if name not in _NAMED and name not in graded.suite.skip:
            check(graded.suite)
    return None


def _modules(graded: Graded) -> list[ModuleType]:
    """The package's modules, and those that it shares with other channels (`adapters._*`)."""
    package = _package(graded)
    waiting = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    found: dict[str, ModuleType] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = sys.modules[name]
            named = {getattr(value, "__module__", None) or getattr(value, "__name__", "") for value in vars(found[name]).values()}
            waiting += [one for one in named if isinstance(one, str) and one.startswith("adapters._") and one in sys.modules]
    return list(found.values())


def _meanings(graded: Graded) -> list[Mapping[Any, Meaning]]:
    tables = [value for module in _modules(graded) for value in vars(module).values() if isinstance(value, Mapping) and value]
    return [table for table in tables if all(isinstance(one, Meaning) for one in table.values())]


def _table(graded: Graded) -> Missing:
    sized = max(map(len, _meanings(graded)), default=0)
    return None if sized >= 4 else f"the largest table of the provider's codes has {sized} rows, and 4 are wanted"


def _own_codes(graded: Graded) -> Missing:
    unknown = {meaning.code for table in _meanings(graded) for meaning in table.values()} - set(CODES)
    return f"codes that reps get no sentence of their own for: {', '.join(sorted(unknown))}" if unknown else None


def _names_people(graded: Graded) -> Missing:
    if graded.adapter.profile or any(one.end_user and one.end_user.name for one in graded.events):
        return None
    return "no fixture brings a customer's name, and there is no `profile` flow"


def _times(graded: Graded) -> Missing:
    return None if any(one.provider_time for one in graded.events) else "no fixture has a provider_time"


def _levels(graded: Graded, names: str, least: Level) -> Missing:
    found = levels.outbound(graded.adapter.capabilities)
    order = list(Level)
    low = [f"{name} ({found[name]})" for name in names.split() if order.index(found[name]) < order.index(least)]
    return f"{', '.join(low)}: at least {least} is wanted" if low else None


def _pictures(graded: Graded) -> Missing:
    found = levels.media_types(graded.adapter.capabilities)
    low = [one for one in ("image/jpeg", "image/png") if found[one] is not Level.full]
    return f"not carried as pictures: {', '.join(low)}" if low else None


def _documents(graded: Graded) -> Missing:
    found = levels.media_types(graded.adapter.capabilities)
    low = [one for one in ("application/pdf", "video/mp4", "audio/mpeg") if found[one] not in (Level.full, Level.partly)]
    return f"these go as links: {', '.join(low)}" if low else None


def _limits(graded: Graded) -> Missing:
    can = graded.adapter.capabilities
    if can.max_text < 16:
        return f"max_text is {can.max_text}, too little for words"
    return "a file rule allows no bytes" if any(rule.max_bytes <= 0 for rule in can.files) else None


def _retried(graded: Graded) -> Missing:
    if graded.adapter.capabilities.retry_key or graded.adapter.retry_safe:
        return None
    return "a message whose answer was lost is `unknown`: no retry key, and no `retry_safe`"


def _late_codes(graded: Graded) -> Missing:
    failed = [one for one in graded.events if isinstance(one, InboundReceipt) and one.status == "failed"]
    return None if all(one.code in CODES for one in failed) else "a late failure has no code of `replies.CODES`"


def _batch(graded: Graded) -> Missing:
    for _, found in graded.said:
        bad = [one for one in found if isinstance(one, InboundUnknown)]
        if len(found) > len(bad) > 0:
            return None
    return "no fixture holds a good event beside a bad or unknown one"


def _kinds(graded: Graded) -> Missing:
    kinds = {name for name in graded.adapter.capabilities.inbound if name.startswith("message.")} - {"message.unknown"}
    return None if len(kinds) >= _SOME_KINDS else f"{len(kinds)} kinds of messages are understood, and {_SOME_KINDS} are wanted"


def _quotes(graded: Graded) -> Missing:
    return (
        None if any(isinstance(one, InboundMessage) and one.reply_to for one in graded.events) else "no fixture quotes a message"
    )


def _nothing_skipped(graded: Graded) -> Missing:
    return f"the suite skips {', '.join(sorted(graded.suite.skip))}" if graded.suite.skip else None


def _exemptions(graded: Graded) -> Missing:
    numbers = {rule.number for rule in RULES if rule.grade is not Grade.bronze}
    unknown = sorted(set(graded.adapter.exemptions) - numbers)
    if unknown:
        return f"exempt from rules that don't exist or can't be exempted: {', '.join(unknown)}"
    bare = sorted(number for number, reason in graded.adapter.exemptions.items() if len(reason) < 10)
    return f"exempt without a reason: {', '.join(bare)}" if bare else None


def _writable(graded: Graded) -> Missing:
    json.dumps(graded.adapter.account.model_json_schema())
    return None


# ------------------------------------------------------------------------------------------------------- the rules


def _kit(number: str, grade: Grade, name: str, demands: str) -> Rule:
    return Rule(number, grade, demands, _of_kit(name), needs_suite=True, of_kit=name)


def _own(number: str, grade: Grade, demands: str, check: Callable[[Graded], Missing], *, suite: bool = False) -> Rule:
    return Rule(number, grade, demands, check, needs_suite=suite)


_B, _S, _G = Grade.bronze, Grade.silver, Grade.gold
RULES: Final[tuple[Rule, ...]] = (
    _own("B1", _B, "It is written for the current contract.", _contract),
    _own("B2", _B, "Its kind is small letters, digits and `-`, and it has a title.", _name),
    _own("B3", _B, "Every setting has a description.", _described),
    _own("B4", _B, "Every setting that holds a secret is a `SecretStr`.", _secret),
    _own("B5", _B, "Its settings have a JSON Schema.", _writable),
    _own("B6", _B, "The demo's made-up settings are valid.", _demo),
    _own("B7", _B, "The package says what the channel is.", _about),
    _own(
        "B8", _B, "Texts go both ways.", lambda g: _declares("message.text", "inbound")(g) or _declares("say.text", "outbound")(g)
    ),
    _own("B9", _B, "Its limits make sense.", _limits),
    _own("B10", _B, "Exemptions name a rule that can be exempted, and a reason.", _exemptions),
    _own("B11", _B, "Every fixture is authentic, names its source, and says what is expected.", _parses, suite=True),
    _kit("B12", _B, "unsigned_is_refused", "A webhook without proof is refused."),
    _kit("B13", _B, "one_byte_changed_is_refused", "A changed webhook is refused."),
    _kit("B14", _B, "hostile_signatures_are_refused", "Whatever the proof's headers hold, it ends in a refusal."),
    _kit("B15", _B, "no_secret_no_entry", "An account without secrets takes nothing."),
    _kit("B16", _B, "broken_body_is_not_understood_or_unknown", "Signed nonsense is never a message."),
    _kit("B17", _B, "same_bytes_same_events", "A redelivery has the same event ids."),
    _kit("B18", _B, "secrets_absent_from_repr", "No secret is in a repr, an error or a hint."),
    _kit("B19", _B, "simulator_and_adapter_agree", "Texts, pictures and notices get through, there and back."),
    _own("B20", _B, "Every other check of the conformance kit passes.", _rest_of_kit, suite=True),
    _kit("S1", _S, "second_secret", "Two secrets are good while one is rotated."),
    _kit("S2", _S, "unknown_events_are_kept", "Events that it doesn't know are kept, with a reason."),
    _kit("S3", _S, "capabilities_have_fixtures", "Each declared capability that comes in has a fixture."),
    _kit("S4", _S, "mutilated_bytes_are_taken_or_refused", "Mutilated webhooks end in the documented errors."),
    _kit("S5", _S, "redelivery_is_the_same_event", "What the simulator delivers twice is one event."),
    _kit("S6", _S, "simulator_refuses_bad_credentials", "The simulator takes nothing under wrong credentials."),
    _own(
        "S7",
        _S,
        "What has no form is a message in plain words, or a kept event.",
        _declares("message.unknown unknown", "inbound"),
    ),
    _own("S8", _S, "Pictures and files come in.", _declares("message.image message.file", "inbound")),
    _own("S9", _S, "JPEG and PNG go out as pictures.", _pictures),
    _own("S10", _S, "Notices go out: the customer learns who joins and leaves.", _declares("notice", "outbound")),
    _own("S11", _S, "The customer's end of the conversation is understood.", _declares("ended", "inbound")),
    _own("S12", _S, "Customers have names.", _names_people, suite=True),
    _own("S13", _S, "Events have the provider's time.", _times, suite=True),
    _own("S14", _S, "The provider's codes are in a table of at least four rows.", _table),
    _own("S15", _S, "Its codes are those that reps get a sentence for.", _own_codes),
    _own(
        "S16",
        _S,
        "Status 429 waits, and slows the account down.",
        _answered(429, Verdict.again, code="rate_limited", throttles=True),
        suite=True,
    ),
    _own(
        "S17",
        _S,
        "Status 500 is tried again, or is unknown where the message may have been taken.",
        _answered(500, Verdict.again, Verdict.unknown),
        suite=True,
    ),
    _own("S18", _S, "Status 401 names the credentials.", _answered(401, Verdict.dead, code="not_authorised"), suite=True),
    _own("S19", _S, f"There are {_FEW} fixtures or more.", _fixtures(_FEW), suite=True),
    _own("S20", _S, "The package names the provider's pages.", _sources),
    _own("G1", _G, "Receipts say what was delivered.", _declares("delivered", "receipts")),
    _own("G2", _G, "Receipts say what was read.", _declares("read", "receipts")),
    _own("G3", _G, "Receipts say what failed later.", _declares("failed", "receipts")),
    _own("G4", _G, "Where a failure is reported late, it has one of our codes.", _late_codes, suite=True),
    _own("G5", _G, "A message whose answer was lost can be sent again safely.", _retried),
    _own("G6", _G, "The customer sees that a rep is typing.", _declares("typing", "outbound")),
    _own("G7", _G, "A rep sees that the customer is typing.", _declares("typing", "inbound")),
    _own("G8", _G, "A rep's answer can quote a message.", _declares("say.reply", "outbound")),
    _own("G9", _G, "A customer's quotation is understood.", _quotes, suite=True),
    _own("G10", _G, "Reactions come in.", _declares("reaction", "inbound")),
    _own("G11", _G, "Changed messages, or those taken back, come in.", _any_of("edit deletion", "inbound")),
    _own("G12", _G, f"{_SOME_KINDS} kinds of messages or more are understood.", _kinds),
    _own("G13", _G, "The channel itself shows who speaks.", lambda g: _levels(g, "say.speaker", Level.full)),
    _own("G14", _G, "A file carries its text.", lambda g: _levels(g, "say.caption", Level.full)),
    _own("G15", _G, "PDF, MP4 and MP3 go out as files.", _documents),
    _own("G16", _G, "A fixture has a good event beside a bad one.", _batch, suite=True),
    _own("G17", _G, f"There are {_MANY} fixtures or more.", _fixtures(_MANY), suite=True),
    _own("G18", _G, "The suite skips no check.", _nothing_skipped, suite=True),
)
_NAMED: Final = frozenset(rule.of_kit for rule in RULES if rule.of_kit)
