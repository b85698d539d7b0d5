"""docs/adapter-reference.md: everything that an adapter's author calls, returns or declares, from the code's own docstrings.

`python -m gateway.describing.adapter_reference` writes the page; a test keeps it true and whole. What no docstring can say, how to treat
providers of some habits, stands between two marks on the page itself and is kept.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, cast, get_args, get_origin

from pydantic import BaseModel

from adapters import contract, envelope, errors, forms, multipart, reading, replies, signing, standard_webhooks, text
from adapters.conformance import Suite, World
from adapters.conformance.subject import Subject
from adapters.referral import Referral, ReferredProduct, referral
from adapters.simulation import PlainProvider

PAGE: Final = Path(__file__).parents[2] / "docs" / "adapter-reference.md"
HABITS: Final = ("<!-- habits -->\n", "<!-- /habits -->\n")
STATUSES: Final = (200, 400, 401, 403, 404, 408, 409, 413, 425, 429, 500, 503)
PARTS: Final[tuple[type, ...]] = tuple(get_args(get_args(envelope.Part)[0]))
INBOUND: Final[tuple[type, ...]] = tuple(get_args(get_args(envelope.Inbound)[0]))
OUTBOUND: Final[tuple[type, ...]] = tuple(get_args(get_args(envelope.Outbound)[0]))
_HEAD: Final = """\
# Adapter reference

Everything that an adapter declares, receives and returns. [Adding a channel](adding-a-channel.md) is the guide; this page is the reference. It is generated from the code's docstrings:
`python -m gateway.describing.adapter_reference` regenerates it.
"""


def page(habits: str) -> str:
    """The whole page; `habits` is the part of it that is written by hand."""
    return "\n".join([_HEAD, *_contents(), HABITS[0] + habits + HABITS[1], *_body()]).rstrip() + "\n"


def habits_of(written: str) -> str:
    """The part of the page that is written by hand."""
    return written.partition(HABITS[0])[2].partition(HABITS[1])[0]


def _contents() -> Iterator[str]:
    for title, _ in SECTIONS:
        yield f"- [{title}](#{re.sub(r'[^a-z0-9 ]', '', title.lower()).replace(' ', '-')})"
    yield "- [Habits of providers](#habits-of-providers)\n"


def _body() -> Iterator[str]:
    for title, section in SECTIONS:
        yield f"## {title}\n"
        yield from section()


# --------------------------------------------------------------------------------------------------- classes


def _class(found: type, level: str = "###") -> Iterator[str]:
    yield f"{level} `{found.__name__}`\n"
    yield f"{_words(found)}\n"
    rows = list(fields(found))
    if rows:
        yield "| field | type | default | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from (f"| `{name}` | {_code(kind)} | {default} | {meaning} |" for name, kind, default, meaning in rows)
        yield ""


def _classes(*found: type) -> Callable[[], Iterator[str]]:
    def section() -> Iterator[str]:
        for one in found:
            yield from _class(one)

    return section


def fields(found: type) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of the fields that a class defines itself; the tag by which kinds are told apart has no row."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - it is the source of a class
    lines = inspect.getsource(found).splitlines()
    for index, node in enumerate(tree.body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.target.id.startswith("_"):
            continue
        name, kind = node.target.id, ast.unparse(node.annotation)
        if kind.startswith("ClassVar") or (name in ("type", "kind") and kind.startswith("Literal") and found in TAGGED):
            continue
        following = tree.body[index + 1] if index + 1 < len(tree.body) else None
        comment = re.search(r"  # (.*)$", lines[(node.end_lineno or 1) - 1])
        meaning = _docstring(following) or _description(found, name) or (comment[1] if comment else "")
        yield name, kind, _default(found, name), _cell(meaning)


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _description(found: type, name: str) -> str:
    return (found.model_fields[name].description or "") if issubclass(found, BaseModel) else ""


def _default(found: type, name: str) -> str:
    if issubclass(found, BaseModel):
        field = found.model_fields[name]
        if field.is_required():
            return "**needed**"
        value = field.get_default(call_default_factory=True, validated_data={})
    else:
        (one,) = [field for field in dataclasses.fields(cast(Any, found)) if field.name == name]
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            return "**needed**"
        value = one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default
    if callable(value):
        return f"`{value.__name__}`"
    return "" if value is None or value in ((), {}, frozenset(), b"", "") else _code(repr(getattr(value, "value", value)))


def _words(found: Any) -> str:
    """A docstring, its paragraphs on one line each."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(found.__doc__ or "").split("\n\n"))


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _code(words: str) -> str:
    return f"`{words}`".replace("|", "\\|")


# -------------------------------------------------------------------------------------------------- functions


def functions(module: ModuleType) -> dict[str, Any]:
    """The public functions that a module defines itself, in its order."""
    return {
        name: one
        for name, one in vars(module).items()
        if inspect.isfunction(one) and one.__module__ == module.__name__ and name[0] != "_"
    }


def _function_table(found: dict[str, Any]) -> Iterator[str]:
    yield "| function | does |"
    yield "| --- | --- |"
    yield from (f"| {_code(f'{name}{_signature(one)}')} | {_cell(_words(one))} |" for name, one in found.items())
    yield ""


def _signature(function: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)  # noqa: S101 - it is the source of a function
    arguments = ast.unparse(tree.args).removeprefix("self, ").removeprefix("self")
    return f"({arguments})" + (f" -> {ast.unparse(tree.returns)}" if tree.returns else "")


def _modules(*modules: ModuleType) -> Callable[[], Iterator[str]]:
    def section() -> Iterator[str]:
        for module in modules:
            yield f"### `{module.__name__}`\n"
            yield f"{_words(module)}\n"
            yield from _function_table(functions(module))

    return section


def _methods(found: type, *, own: bool = False) -> dict[str, Any]:
    """Public methods, inherited ones too, those of the most general class first."""
    classes = [found] if own else [one for one in reversed(found.__mro__) if one.__module__.startswith("adapters.")]
    named = {name: one for cls in classes for name, one in vars(cls).items() if name[0] != "_"}
    return {name: one for name, one in named.items() if inspect.isfunction(one)}


# --------------------------------------------------------------------------------------------------- sections


def _settings() -> Iterator[str]:
    yield f"{_words(contract.Account)}\n"
    named = ", ".join(f"`{name}`" for name in setting_types())
    yield f"Types for settings with a format are in `adapters.forms`: {named}. Values that don't match are refused with a hint what to write instead.\n"


def setting_types() -> list[str]:
    """The types for settings, by name."""
    return [name for name, one in vars(forms).items() if get_origin(one) is Annotated]


def _calls() -> Iterator[str]:
    yield "A *flow* is a generator that yields `HttpCall`s, is sent `HttpReply`s, and returns its result. It may be run again from its start after a crash, so only its last call may be visible to the customer.\n"
    yield from _classes(
        contract.HttpCall,
        contract.FormFile,
        contract.SecretUrl,
        contract.HttpReply,
        contract.NoReply,
        contract.Sent,
        contract.Fetched,
    )()
    yield "### Making calls\n"
    yield from _function_table({"json_call": contract.json_call, "form_call": contract.form_call})


def _parts() -> Iterator[str]:
    yield "`InboundMessage.parts` contains them. Anything else becomes an `UnknownPart`.\n"
    yield from _classes(*PARTS, envelope.OrderItem)()


def _inbound() -> Iterator[str]:
    yield "The result of `parse`. Every kind also has the fields of `InboundEvent`.\n"
    yield from _classes(envelope.InboundEvent, envelope.EndUser, *INBOUND, Referral, ReferredProduct, envelope.SignedReading)()
    yield from _function_table({"referral": referral})


def _outbound() -> Iterator[str]:
    yield "The argument of `send`. Every kind also has the fields of `OutboundEvent`.\n"
    yield from _classes(envelope.OutboundEvent, *OUTBOUND, envelope.OutboundFile, envelope.Speaker)()


def _errors() -> Iterator[str]:
    for one in (errors.NotAuthentic, errors.NotUnderstood, errors.Unsupported, errors.SendFailed):
        yield from _class(one)
        made = _signature(one.__init__).removesuffix(" -> None") if "__init__" in vars(one) else "(reason: str)"
        yield f"{_code(one.__name__ + made)}\n"
    yield "### `Verdict`\n"
    yield "| verdict | means |"
    yield "| --- | --- |"
    yield "| `again` | The provider did not take it. The gateway tries again automatically. |"
    yield "| `dead` | The provider refused it for good. |"
    yield "| `unknown` | It may have been taken. Only a retry key, a receipt or a person can settle it. |"
    yield ""


def _replies() -> Iterator[str]:
    yield "A channel has a table `{provider_code: Meaning}` and passes it to `failure`; codes that aren't in it are judged by the HTTP status.\n"
    yield from _class(replies.Meaning)
    yield "Predefined: `dead(code)`, `AGAIN`, `REFUSED`, `THROTTLED`.\n"
    yield "### By status\n"
    yield "| status | verdict | code | the whole account waits |"
    yield "| --- | --- | --- | --- |"
    for status in STATUSES:
        meaning = replies.meaning_of_status(status)
        yield f"| {status} | {meaning.verdict} | `{meaning.code}` | {'yes' if meaning.throttles_account else ''} |"
    yield "\n200 means an answer whose body reports no success. Any status above 500 is treated like 500.\n"
    yield "### Codes\n"
    yield "| code | what the rep reads once it is final | and while it is waiting |"
    yield "| --- | --- | --- |"
    yield from (f"| `{code}` | {_cell(said.over)} | {_cell(said.waits or '')} |" for code, said in replies.CODES.items())
    yield "\n### Functions\n"
    yield from _function_table(
        {
            name: getattr(replies, name)
            for name in ("failure", "fetched", "dead", "late_failure", "meaning_of_status", "retry_after")
        }
    )


def _simulators() -> Iterator[str]:
    yield from _classes(
        contract.Action, contract.SimFile, contract.Shown, contract.ProviderCall, contract.Outcome, contract.CannotAct
    )()
    yield "### `PlainProvider`\n"
    yield f"{_words(PlainProvider)} In `adapters.simulation`; for a provider that behaves differently, derive from `Provider` there.\n"
    yield from _function_table(_methods(PlainProvider))


def _kit() -> Iterator[str]:
    yield f"{_words(Suite)}\n"
    yield f"{_words(Subject)}\n"
    yield "`Suite.checks()` returns the checks; [adapters/README.md](../adapters/README.md) lists them.\n"
    yield "### `World`\n"
    yield f"{_words(World)}\n"
    yield from _function_table(_methods(World, own=True))


TAGGED: Final = frozenset({*PARTS, *INBOUND, *OUTBOUND})
SECTIONS: Final[Sequence[tuple[str, Callable[[], Iterator[str]]]]] = (
    ("The adapter", lambda: _class(contract.Adapter)),
    ("Settings", _settings),
    ("What a channel can do", _classes(contract.Capabilities, contract.FileRule)),
    ("Webhooks", _classes(contract.RawRequest, contract.Answer)),
    ("Calls to the provider", _calls),
    ("Parts of a message", _parts),
    ("Incoming events", _inbound),
    ("Outgoing messages", _outbound),
    ("Errors", _errors),
    ("Reply tables", _replies),
    ("Signing", _modules(signing, standard_webhooks)),
    ("Reading", _modules(reading, multipart)),
    ("Texts", _modules(text)),
    ("The simulator", _simulators),
    ("The conformance kit", _kit),
)


if __name__ == "__main__":
    PAGE.write_text(page(habits_of(PAGE.read_text("utf-8"))), "utf-8")
