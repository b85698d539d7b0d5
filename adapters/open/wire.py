"""The JSON of an open channel, as docs/open-channel.md tells it to people who write no Python.

In: one event, or `{"events": [event, …]}`. An event is `{"type", "from": {"id", "name"}, …}`; a short `"from": "kim-17"` will do. Readers
take plain dicts: a field that is missing and needed raises `Malformed` and names itself, all else that we don't know is passed over.
Out: what `outbound.py` posts. Source: this project's own; the proof is that of Standard Webhooks 1.0.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from adapters import made, replies
from adapters.envelope import (
    Address,
    ChoicePart,
    ContactPart,
    EndUser,
    LocationPart,
    MediaPart,
    Part,
    StickerPart,
    UnknownPart,
)
from adapters.file_types import type_of
from adapters.reading import Malformed, count, dict_of, kept, list_of, number, optional, text
from adapters.referral import Referral, ReferralSource, ReferredProduct, referral

Json: TypeAlias = Mapping[str, Any]
Family: TypeAlias = Literal["image", "video", "audio", "voice", "file"]

MOST_ID: Final = 255
# What your server may say of a message of ours that the customer didn't get; the other codes are about calls of ours.
CODES: Final = frozenset(replies.CODES) - {"no_answer", "media_gone", "media_not_ready", "media_address_refused"}
_FAMILIES: Final[tuple[Family, ...]] = ("image", "video", "audio", "voice", "file")


def end_user(event: Json) -> EndUser:
    """Who did it. Raises Malformed."""
    given = event.get("from")
    sender = {"id": given} if isinstance(given, str | int) else dict_of(given)
    if not sender:
        raise Malformed("from: an object with an id is required, or the id itself")
    try:
        address = text(sender, "id", most=MOST_ID)
    except Malformed as fault:
        raise Malformed(f"from.{fault}") from fault
    return made.end_user(
        address=Address(address),
        name=optional(sender, "name"),
        username=optional(sender, "username"),
        avatar_url=_web_address(optional(sender, "avatar_url")),
        locale=optional(sender, "locale"),
        profile=kept(dict_of(sender.get("profile"))),
    )


def message_id(address: str, given: str) -> str:
    """A message's id, unique within the channel: yours need only be so within a conversation. Ours are known by how they begin."""
    return given if given.startswith(("msg_", "ntc_")) else f"{address}/{given}"


def parts(event: Json) -> tuple[Part, ...]:
    """What was said: text, files, location, contact, choice, sticker, other, in this order. Raises Malformed when there is none."""
    found = tuple(_parts(event))
    if not found:
        raise Malformed("text: a message needs a text, files, location, contact, choice, sticker or other")
    return found


def _parts(event: Json) -> Iterator[Part]:
    words = optional(event, "text")
    if words:
        yield made.text(text=words)
    for place, file in enumerate(list_of(event.get("files"))):
        yield _named(f"files.{place}", _file, file)
    for name, read in _READERS.items():
        if event.get(name) is not None:
            yield _named(name, read, event[name])


def _named(place: str, read: Any, value: Any) -> Part:
    """Read one part; a fault names its place."""
    try:
        part: Part = read(_object(value))
    except Malformed as fault:
        raise Malformed(f"{place}: {fault}") from fault
    return part


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise Malformed("an object is required")
    return value


def _file(file: Json) -> Part:
    """Fetched from its address by us, soon: it need not live longer than an hour or two."""
    url = _web_address(text(file, "url"))
    if url is None:
        raise Malformed("url: an http(s) address is required")
    name = optional(file, "name") or urlsplit(url).path.rpartition("/")[2] or None
    mime_type = optional(file, "mime_type") or type_of(name)
    return MediaPart(
        media=_family(optional(file, "media"), mime_type),
        mime_type=mime_type,
        name=name,
        size_bytes=count(file, "size_bytes"),
        duration_ms=count(file, "duration_ms"),
        caption=optional(file, "caption"),
        source={"url": url},
    )


def _family(said: str | None, mime_type: str | None) -> Family:
    wanted = said or (mime_type or "").partition("/")[0]
    return next((family for family in _FAMILIES if family == wanted), "file")


def _location(place: Json) -> Part:
    latitude, longitude = number(place, "latitude"), number(place, "longitude")
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise Malformed("latitude must be within ±90 degrees, longitude within ±180")
    return LocationPart(latitude=latitude, longitude=longitude, name=optional(place, "name"), address=optional(place, "address"))


def _contact(card: Json) -> Part:
    return ContactPart(
        name=text(card, "name"),
        phones=tuple(one for one in list_of(card.get("phones")) if isinstance(one, str)),
        emails=tuple(one for one in list_of(card.get("emails")) if isinstance(one, str)),
        organisation=optional(card, "organisation"),
        addresses=tuple(one for one in list_of(card.get("addresses")) if isinstance(one, str)),
        urls=tuple(one for one in list_of(card.get("urls")) if isinstance(one, str)),
    )


def _choice(choice: Json) -> Part:
    return ChoicePart(
        id=optional(choice, "id"),
        title=text(choice, "title"),
        description=optional(choice, "description"),
        fields=kept(dict_of(choice.get("fields"))),
    )


def _sticker(sticker: Json) -> Part:
    url = optional(sticker, "url")
    return StickerPart(
        provider_id=optional(sticker, "id"),
        text=optional(sticker, "text"),
        media=MediaPart(media="image", source={"url": url}) if _web_address(url) else None,
    )


def _other(other: Json) -> Part:
    """Anything that has no form here, in plain words."""
    return UnknownPart(provider_type=optional(other, "type") or "other", fallback=text(other, "text"))


_READERS: Final = {
    "location": _location,
    "contact": _contact,
    "choice": _choice,
    "sticker": _sticker,
    "other": _other,
}


_SOURCES: Final[tuple[ReferralSource, ...]] = ("ad", "post", "link", "product", "story", "optin", "page", "other")
_WORDS: Final = ("id", "ref", "group", "headline", "body", "url", "media_url")


def referral_of(given: Json) -> Referral | None:
    """Where the customer came from, by the envelope's own names; `product` is an id of the shop's. Other members are kept as `extra`."""
    if not given:
        return None
    source: ReferralSource = next((one for one in _SOURCES if one == given.get("source")), "other")
    product = ReferredProduct(id=optional(given, "product")) if given.get("product") else None
    known = {name: given.get(name) for name in _WORDS}
    return referral(source, product=product, given=given, used=frozenset({"source", "product", *_WORDS}), **known)


def _web_address(url: str | None) -> str | None:
    """The address if it is one that a browser could open."""
    try:
        split = urlsplit(url or "")
        return url if split.scheme in ("http", "https") and split.hostname else None
    except ValueError:  # "http://[" and the like
        return None
