"""A real webhook without the customer in it: the same shape, other words, names, numbers and secrets.

What stays is the protocol: names of members and fields, words that occur in the adapter's own source, types and states, counts of up to three
digits, media types, languages, schemes, hosts that the adapter knows, and the endings of file names. Everything else gets a stand-in
(`stand_ins`). An account's own ids become the test account's, so that the fixture is still addressed to it; times keep their distance
from the request's arrival, which becomes the kit's `NOW`. A word of the protocol that a customer says is replaced where they say it.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from importlib.util import find_spec
from io import BytesIO
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

from adapters.conformance import NOW, told
from adapters.contract import Account, Adapter, RawRequest
from adapters.errors import NotUnderstood
from adapters.file_types import type_of
from gateway.new_channel.stand_ins import NotRedacted, StandIns, words

_FORM: Final = "application/x-www-form-urlencoded"
_NAME: Final = re.compile(r"(?!.*[0-9]{4})[A-Za-z_$][A-Za-z0-9_.$\[\]-]{0,49}")
_SMALL: Final = re.compile(r"-?[0-9]{1,3}")
_DECIMAL: Final = re.compile(r"(-?)([0-9]+)\.([0-9]+)")
_EPOCH: Final = re.compile(r"[0-9]{10}([0-9]{3})?")
_SAYS_KIND: Final = re.compile(r".*(type|event|kind|object|field|status)", re.IGNORECASE)
_KIND: Final = re.compile(r"[A-Za-z][A-Za-z_.:/-]{1,39}")
_SAYS_LANGUAGE: Final = re.compile(r".*(locale|lang|language|code)", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}([_-][A-Z]{2})?")
_MEDIA_TYPE: Final = re.compile(r"(application|audio|font|image|message|multipart|text|video)/[a-z0-9.+-]+(; ?[a-z]+=[\w.-]+)*")
_SCHEME: Final = re.compile(r"[a-z]{2,10}://|(tel|mailto|sms):")
_MOST_UNPACKED: Final = 8_388_608
_MOST_DAYS: Final = 30  # a time further from the arrival is not a time of this event, but a number like any other
# Of an envelope as fixtures write it: what the adapter made of the request, not what somebody said.
_KINDS: Final = frozenset({"kind", "type", "media", "status", "code", "author"})
_MADE: Final = _KINDS | {
    "channel_id",
    "received_at",
    "reason",
    "provider_type",
    "provider_code",
    "fallback",
    "detail",
    "sentence",
}

Change: TypeAlias = Callable[[str, str], str]


@dataclass(frozen=True)
class Redacted:
    """The request as the test account would get it, without a proof; and the values that stay, for a person to look over."""

    request: RawRequest
    stays: tuple[str, ...]


def redacted(
    request: RawRequest, adapter: Adapter[Any], account: Account, test_account: Account, proof_headers: tuple[str, ...]
) -> Redacted:
    """Raises NotRedacted where the body is neither JSON nor a form, or would no longer say the same kinds of events."""
    change_all = _reader(request, adapter, test_account, proof_headers)
    said = _understood(adapter, request, account)
    protocol = _Protocol(adapter, account, request, frozenset(_content(said)))
    spoken = _spoken(change_all, protocol, lambda changed: _understood(adapter, changed, account), said)
    stays: dict[str, None] = {}
    replaced: list[str] = []

    def collect(name: str, value: str) -> str:
        if (name, value) not in spoken and protocol.keeps(name, value):
            stays[value] = None
        elif not protocol.moved(value):
            replaced.extend(part for part, hidden in protocol.parts(value) if hidden)
        return value

    change_all(collect)
    stand_ins = StandIns(replaced, _given(account, test_account))

    def change(name: str, value: str) -> str:
        if (name, value) not in spoken and protocol.keeps(name, value):
            return value
        return protocol.moved(value) or "".join(stand_ins.of(part) if hidden else part for part, hidden in protocol.parts(value))

    made = replace(change_all(change), received_at=NOW)
    if _shape(_understood(adapter, made, test_account)) != _shape(said):
        raise NotRedacted(
            "the adapter reads other kinds of events from the redacted request than from the real one. Probably it "
            "checks the form of an id. Write the fixture by hand, from `byoc inbox show`"
        )
    return Redacted(made, tuple(value for value in stays if len(value) > 3))


# ------------------------------------------------------------------------------------------- what it is made of


def _reader(
    request: RawRequest, adapter: Adapter[Any], test_account: Account, proof_headers: tuple[str, ...]
) -> Callable[[Change], RawRequest]:
    """What gives the request with each of its values changed: `change(name, value)` gets every text and number with the name it has."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = request.body.startswith(b"\x1f\x8b")
    body = _unpacked(request.body) if packed else request.body
    document = _json(body)
    if body and document is None and content_type != _FORM:
        raise NotRedacted(
            f"only JSON and forms can be redacted, and this body is {content_type or 'of no stated type'}: write the fixture by hand"
        )
    kept_headers = vocabulary(adapter) - set(proof_headers)

    def changed(change: Change) -> RawRequest:
        query = tuple((_named(name, change), change(name, value)) for name, value in request.query)
        path = "/".join(part if _NAME.fullmatch(part) else change("path", part) for part in request.path.split("/"))
        headers = {name: change(name, value) for name, value in request.headers.items() if name in kept_headers}
        if _MEDIA_TYPE.fullmatch(request.headers.get("content-type", "")):
            headers["content-type"] = request.headers["content-type"]
        if document is not None:
            made = _written(_changed("", document, change), body)
        else:
            made = _form_changed(body.decode("utf-8", "replace"), change).encode()
        url = test_account.webhook_url + path + (f"?{urlencode(query)}" if query else "")
        return replace(
            request, url=url, path=path, query=query, headers=headers, body=gzip.compress(made, mtime=0) if packed else made
        )

    return changed


def _unpacked(body: bytes) -> bytes:
    try:
        with gzip.open(BytesIO(body)) as file:
            return file.read(_MOST_UNPACKED)
    except (OSError, EOFError, zlib.error) as cause:
        raise NotRedacted("the body is invalid gzip: write the fixture by hand") from cause


def _json(body: bytes | str) -> Any:
    """The object or list that this is the JSON of; None for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _written(value: Any, like: bytes | str) -> bytes:
    """As JSON, spaced and escaped as it was."""
    text = like if isinstance(like, str) else like.decode("utf-8", "replace")
    separators = (", ", ": ") if '": ' in text else (",", ":")
    return json.dumps(value, ensure_ascii="\\u" in text, separators=separators).encode("utf-8", "surrogatepass")


def _changed(name: str, value: Any, change: Change) -> Any:
    if isinstance(value, dict):
        return {_named(key, change): _changed(key, one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_changed(name, one, change) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return type(value)(change(name, str(value)))
    return _text_changed(name, value, change)


def _text_changed(name: str, value: str, change: Change) -> str:
    """A text; one that is JSON itself is changed inside."""
    inner = _json(value)
    return (
        change(name, value) if inner is None else _written(_changed(name, inner, change), value).decode("utf-8", "surrogatepass")
    )


def _form_changed(body: str, change: Change) -> str:
    coded = quote if "%20" in body and "+" not in body else quote_plus
    pairs = parse_qsl(body, keep_blank_values=True)
    return urlencode([(_named(name, change), _text_changed(name, value, change)) for name, value in pairs], quote_via=coded)


def _named(name: str, change: Change) -> str:
    return name if _NAME.fullmatch(name) else change("", name)


# ----------------------------------------------------------------------------------------------- what may stay


class _Protocol:
    """What of a request is the provider's way of speaking. `content` is what the adapter found said in it."""

    def __init__(self, adapter: Adapter[Any], account: Account, request: RawRequest, content: frozenset[str]) -> None:
        self._words = vocabulary(adapter)
        self._content = content
        self._arrived = request.received_at
        own = (str(value) for name, value in account if name.endswith(("_base", "_url")) and isinstance(value, str))
        self._hosts = {urlsplit(url).hostname for url in own} - {None}

    def keeps(self, name: str, value: str) -> bool:
        """Whether a value of that name stays."""
        if (
            not value
            or value in self._words
            or value in ("true", "false")
            or _SMALL.fullmatch(value)
            or _MEDIA_TYPE.fullmatch(value)
        ):
            return True
        if value in self._content and not (_SAYS_LANGUAGE.fullmatch(name) and _LANGUAGE.fullmatch(value)):
            return False
        return bool(
            (_SAYS_KIND.fullmatch(name) and _KIND.fullmatch(value))
            or (_SAYS_LANGUAGE.fullmatch(name) and _LANGUAGE.fullmatch(value))
        )

    def contested(self, value: str) -> bool:
        """Whether a word of the protocol was also said by somebody."""
        return value.lower() in self._words and value in self._content and not _MEDIA_TYPE.fullmatch(value)

    def parts(self, value: str) -> list[tuple[str, bool]]:
        """A value in pieces, each with whether it is replaced."""
        if found := _DECIMAL.fullmatch(value):
            return [(f"{found[1]}{'1' * len(found[2])}.", False), (found[3], True)]
        start = self._start(value)
        path, mark, query = value[len(start) :].partition("?" if "://" in start else "\0")
        ending = f".{path.rpartition('.')[2]}" if type_of(path) and " " not in path else ""
        return [(start, False), (path.removesuffix(ending), True), (ending + mark, False), (query, True)]

    def _start(self, value: str) -> str:
        """Of an address the scheme, and the host where the adapter knows it; else a prefix that the adapter knows, as `whatsapp:`."""
        if scheme := _SCHEME.match(value):
            host = re.split(r"[/?#:]", value[scheme.end() :], maxsplit=1)[0]
            parents = {host.split(".", count)[-1] for count in range(host.count("."))}
            return scheme[0] + (host if host in self._hosts or parents & self._words else "")
        known = [
            word for word in self._words if len(word) > 2 and not word[-1].isalnum() and word.strip() and value.startswith(word)
        ]
        return max(known, key=len, default="")

    def moved(self, value: str) -> str | None:
        """A time of this event, as far from the kit's `NOW` as it was from the arrival, written as it was; None for anything else."""
        if _EPOCH.fullmatch(value):
            unit = 1000 if len(value) == 13 else 1
            moment = datetime.fromtimestamp(int(value) / unit, UTC)
            shifted = self._shifted(moment)
            return str(round(shifted.timestamp() * unit)) if shifted else None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        shifted = self._shifted(moment) if moment.tzinfo else None
        if shifted is None:
            return None
        digits = {0: "seconds", 3: "milliseconds", 6: "microseconds"}.get(
            len(value.partition(".")[2].rstrip("Z").partition("+")[0]), "auto"
        )
        written = shifted.isoformat(timespec=digits)
        return written.replace("+00:00", "Z") if value.endswith("Z") else written

    def _shifted(self, moment: datetime) -> datetime | None:
        away = moment - self._arrived
        return NOW.astimezone(moment.tzinfo) + away if abs(away) < timedelta(days=_MOST_DAYS) else None


def vocabulary(adapter: Adapter[Any]) -> frozenset[str]:
    """Every text and number that the adapter's source names, its own and what it shares with other channels."""
    module = adapter.account.__module__
    return _words_of(module.rpartition(".")[0] or module)


@lru_cache(maxsize=16)
def _words_of(top: str) -> frozenset[str]:
    waiting = [name for name in sys.modules if name == top or name.startswith(f"{top}.")]
    seen: set[str] = set()
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith(("adapters.conformance", "adapters.simulation")):
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(_source(name))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | int) and not isinstance(node.value, bool):
                found.add(str(node.value))
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("adapters."):
                waiting += [
                    one for one in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)) if one in sys.modules
                ]
    return frozenset(word for word in found if len(word) <= 60)


def _source(name: str) -> str:
    spec = find_spec(name)
    source = getattr(spec.loader, "get_source", None) if spec else None
    return (source(name) if source else None) or ""


# ------------------------------------------------------------------------------------------ what the adapter reads


Said: TypeAlias = list[dict[str, Any]] | None


def _understood(adapter: Adapter[Any], request: RawRequest, account: Account) -> Said:
    """As fixtures write it; None: not understood."""
    try:
        return [told(one) for one in adapter.parse(request, account)]
    except NotUnderstood:
        return None


def _content(said: Any) -> Iterator[str]:
    """Every text in envelopes that somebody said, or that names somebody or something."""
    if isinstance(said, dict):
        for key, value in said.items():
            if key not in _MADE:
                yield from _content(value)
    elif isinstance(said, list):
        for value in said:
            yield from _content(value)
    elif isinstance(said, str):
        yield said


def _shape(said: Any) -> Any:
    """Kinds of events and parts, and which members they have: all that must be the same afterwards."""
    if isinstance(said, dict):
        return {
            key: value if key in _KINDS and isinstance(value, str) else _shape(value)
            for key, value in said.items()
            if key not in ("remember", "profile")
        }
    if isinstance(said, list):
        return [_shape(value) for value in said]
    return type(said).__name__


def _spoken(
    change_all: Callable[[Change], RawRequest], protocol: _Protocol, understood: Callable[[RawRequest], Said], said: Said
) -> set[tuple[str, str]]:
    """The places at which a word of the protocol is somebody's own: with another word there, the adapter reads the same kinds of events."""
    places: set[tuple[str, str]] = set()

    def note(name: str, value: str) -> str:
        if protocol.contested(value):
            places.add((name, value))
        return value

    change_all(note)
    return {
        place
        for place in places
        if not place[1].isdigit() and _shape(understood(change_all(partial(_other_word, place)))) == _shape(said)
    }


def _other_word(place: tuple[str, str], name: str, value: str) -> str:
    return "x" * len(value) if (name, value) == place else value


def _given(account: Account, test_account: Account) -> Mapping[str, str]:
    """The words of the account's own ids, and the test account's in their place."""
    given: dict[str, str] = {}
    for name, field in type(account).model_fields.items():
        value, other = getattr(account, name), getattr(test_account, name, None)
        if isinstance(value, str) and isinstance(other, str) and value != field.default and "://" not in value:
            pairs = list(zip(words(value), words(other), strict=False))
            if len(list(words(value))) == len(list(words(other))):
                given.update({word: test for word, test in pairs if len(word) > 3})
    return given
