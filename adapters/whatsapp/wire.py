"""WhatsApp's JSON: what a delivery and a message hold. Readers that take anything, and never fail on what they don't know.

Source: Meta for Developers, WhatsApp Cloud API, "Webhooks > Reference > messages" and "Business-scoped user IDs" (read 2026).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from adapters import made
from adapters._meta.webhook import number_of, objects_in, text_of
from adapters.envelope import (
    ChoicePart,
    ContactPart,
    LocationPart,
    MediaPart,
    MediaState,
    OrderItem,
    OrderPart,
    Part,
    StickerPart,
    UnknownPart,
    from_unix,
)
from adapters.reading import dict_of, json_value, list_of
from adapters.referral import Referral, ReferralSource, ReferredProduct, referral


class Change(NamedTuple):
    """One change of a delivery: its field and value. `entry` is the entry that contains it."""

    field: str
    value: dict[str, Any]
    entry: dict[str, Any]

    @property
    def phone_number_id(self) -> str | None:
        """The business number that it is about; account-wide changes have none, handovers name it as their recipient."""
        for where in ("metadata", "recipient"):
            if named := text_of(dict_of(self.value.get(where)).get("phone_number_id")):
                return named
        return None


def changes(body: dict[str, Any]) -> Iterator[Change]:
    """All changes of a delivery, in order: Meta batches up to 1,000."""
    for entry in objects_in(body, "entry"):
        for change in objects_in(entry, "changes"):
            field, value = text_of(change.get("field")), change.get("value")
            yield Change(field or "nothing", value if isinstance(value, dict) else {"change": change}, entry)


def time_of(item: dict[str, Any]) -> datetime | None:
    """Seconds as a text, at times as a number; some relays give milliseconds."""
    stamp = number_of(item.get("timestamp"))
    return from_unix(stamp, unit="ms" if stamp and stamp > 1e11 else "s") if stamp else None


# ------------------------------------------------------------------------------------------------------- parts


def parts_of(message: dict[str, Any]) -> tuple[Part, ...]:
    """What a message holds; a type that this version doesn't know becomes an `UnknownPart`. At least one part."""
    kind = text_of(message.get("type")) or "nothing"
    content = dict_of(message.get(kind))
    if kind in _MEDIA:
        return (_media(kind, content, message),)
    if kind == "contacts":
        return tuple(_contact(one) for one in map(dict_of, list_of(message.get("contacts")))) or (_unknown(kind),)
    reader = _READERS.get(kind)
    part = reader(content) if reader else None
    return (part or _unsupported(kind, message),)


_MEDIA: Final[dict[str, Literal["image", "video", "audio", "voice", "file"]]] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "voice": "voice",  # very old payloads; now it is an audio with `voice`
    "document": "file",
}


def _media(kind: str, content: dict[str, Any], message: dict[str, Any]) -> MediaPart:
    voice = kind == "audio" and content.get("voice") is True
    media_id = text_of(content.get("id"))
    return MediaPart(
        media="voice" if voice else _MEDIA[kind],
        state=MediaState.pending if media_id else MediaState.failed,
        mime_type=text_of(content.get("mime_type")),
        name=text_of(content.get("filename")),
        caption=text_of(content.get("caption")),
        source=_source(content) if media_id else {},
        reason=None if media_id else _first_error(message) or "WhatsApp gave no file",
    )


def _source(content: dict[str, Any]) -> dict[str, Any]:
    kept = {"id": text_of(content.get("id")), "sha256": text_of(content.get("sha256"))}
    return {key: value for key, value in kept.items() if value}


def _text(content: dict[str, Any]) -> Part | None:
    body = text_of(content.get("body"))
    return made.text(text=body) if body else None


def _sticker(content: dict[str, Any]) -> Part:
    mime_type = text_of(content.get("mime_type"))
    source = _source(content)
    picture = MediaPart(media="image", mime_type=mime_type, source=source) if "id" in source else None
    return StickerPart(provider_id=text_of(content.get("id")), media=picture)


def _location(content: dict[str, Any]) -> Part | None:
    latitude, longitude = number_of(content.get("latitude")), number_of(content.get("longitude"))
    if latitude is None or longitude is None:
        return None
    name, address = text_of(content.get("name")), text_of(content.get("address"))
    return LocationPart(latitude=latitude, longitude=longitude, name=name, address=address)


def _contact(card: dict[str, Any]) -> Part:
    name = dict_of(card.get("name"))
    phones = _each(card.get("phones"), "phone") or _each(card.get("phones"), "wa_id")
    vcard = (text_of(card.get("vcard")) or "")[:20_000]
    spoken = text_of(name.get("formatted_name")) or text_of(name.get("first_name")) or next(iter(_in_vcard("FN", vcard)), None)
    return ContactPart(
        name=spoken or ", ".join(phones) or "contact",
        phones=phones or _in_vcard("TEL", vcard),
        emails=_each(card.get("emails"), "email"),
        organisation=text_of(dict_of(card.get("org")).get("company")) or next(iter(_structured("ORG", vcard)), None),
        addresses=tuple(filter(None, map(_address, map(dict_of, list_of(card.get("addresses")))))) or _structured("ADR", vcard),
        urls=_each(card.get("urls"), "url") or _in_vcard("URL", vcard),
    )


def _address(address: dict[str, Any]) -> str:
    """One line, as envelopes are written; the country's code only where its name is missing."""
    names = ("street", "zip", "city", "state", "country" if text_of(address.get("country")) else "country_code")
    return ", ".join(filter(None, (text_of(address.get(name)) for name in names)))


def _structured(name: str, vcard: str) -> tuple[str, ...]:
    """A vCard property whose fields are separated by semicolons (RFC 6350, sections 6.3.1 and 6.6.4), each on one line."""
    return tuple(line for value in _in_vcard(name, vcard) if (line := ", ".join(filter(None, map(str.strip, value.split(";"))))))


def _in_vcard(name: str, vcard: str) -> tuple[str, ...]:
    """The values of a vCard's property; the answer to a request for the phone number comes as one."""
    found = re.findall(rf"(?im)^(?:item\d+\.)?{name}(?:;[^:\n]{{0,200}})?:([^\r\n]{{1,200}})", vcard)
    return tuple(value.strip() for value in found)


def _each(values: object, key: str) -> tuple[str, ...]:
    return tuple(text for text in (text_of(dict_of(one).get(key)) for one in list_of(values)) if text)


def _interactive(content: dict[str, Any]) -> Part | None:
    """An answer to buttons, a list or a flow. The object may be missing altogether (seen with error 131000)."""
    kind = text_of(content.get("type"))
    answer = dict_of(content.get(kind)) if kind else {}
    if kind == "nfm_reply":
        fields = _form(answer.get("response_json"))
        words = text_of(answer.get("body")) or text_of(answer.get("name")) or "form"
        return ChoicePart(id=text_of(fields.get("flow_token")), title=words, fields=fields)
    if kind == "call_permission_reply":
        return _call_permission(answer)
    title = text_of(answer.get("title"))
    if title is None:
        return None
    return ChoicePart(id=text_of(answer.get("id")), title=title, description=text_of(answer.get("description")))


def _form(response: object) -> dict[str, Any]:
    """A flow's answers: JSON within a text."""
    try:
        if not isinstance(response, str):
            return dict_of(response)
        return dict_of(json_value(response.encode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return {}


def _button(content: dict[str, Any]) -> Part | None:
    title = text_of(content.get("text"))
    return ChoicePart(id=text_of(content.get("payload")), title=title) if title else None


def _call_permission(answer: dict[str, Any]) -> ChoicePart | None:
    """Whether we may call the customer: their answer to our request, or what WhatsApp grants by itself (`automatic`) after they called us.

    Source: WhatsApp Cloud API, "Calling > User call permissions" (read 2026).
    """
    response = text_of(answer.get("response"))
    if response not in ("accept", "reject"):
        return None
    until = from_unix(answer.get("expiration_timestamp"))
    if response == "reject":
        words = "Doesn't want to be called"
    elif until is None or answer.get("is_permanent") is True:
        words = "May be called on WhatsApp"
    else:
        words = f"May be called on WhatsApp until {until:%Y-%m-%d %H:%M} UTC"
    automatic = text_of(answer.get("response_source")) == "automatic"
    return ChoicePart(
        id=response, title=words, description="WhatsApp allowed it automatically after a call." if automatic else None
    )


def _order(content: dict[str, Any]) -> Part:
    items = tuple(_item(one) for one in map(dict_of, list_of(content.get("product_items"))))
    return OrderPart(items=items, note=text_of(content.get("text")), catalog_id=text_of(content.get("catalog_id")))


def _item(item: dict[str, Any]) -> OrderItem:
    return OrderItem(
        retailer_id=text_of(item.get("product_retailer_id")),
        quantity=text_of(item.get("quantity")),
        price=text_of(item.get("item_price")),
        currency=text_of(item.get("currency")),
    )


_READERS: Final[dict[str, Callable[[dict[str, Any]], Part | None]]] = {
    "text": _text,
    "sticker": _sticker,
    "location": _location,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
}


def _unsupported(kind: str, message: dict[str, Any]) -> Part:
    """What WhatsApp itself can't show us (a poll), and what we have no form for."""
    if kind != "unsupported":
        return _unknown(kind)
    what = text_of(dict_of(message.get("unsupported")).get("type"))
    why = _first_error(message) or "WhatsApp doesn't deliver it"
    if what == "edit":
        return UnknownPart(provider_type="edit", fallback="[the customer changed a message; WhatsApp doesn't deliver the change]")
    return UnknownPart(provider_type=what or kind, fallback=f"[{what or 'unsupported message'}: {why}]")


def _unknown(kind: str) -> Part:
    return UnknownPart(provider_type=kind, fallback=f"[{kind}: can't be shown here; it is on the customer's phone]")


def _first_error(message: dict[str, Any]) -> str | None:
    error = next((one for one in map(dict_of, list_of(message.get("errors"))) if one), {})
    return (
        text_of(dict_of(error.get("error_data")).get("details")) or text_of(error.get("message")) or text_of(error.get("title"))
    )


# ---------------------------------------------------------------------------------------------- beside the parts


def quoted(message: dict[str, Any]) -> str | None:
    """The message that it answers; may be one that we never saw."""
    return text_of(dict_of(message.get("context")).get("id"))


def forwarded(message: dict[str, Any]) -> Literal["once", "often"] | None:
    """Whether the customer passed it on; `often` means that it went through more than five hands."""
    context = dict_of(message.get("context"))
    if context.get("frequently_forwarded") is True:
        return "often"
    return "once" if context.get("forwarded") is True else None


_USED: Final = frozenset(
    {"source_type", "source_id", "source_url", "headline", "body", "image_url", "video_url", "thumbnail_url", "ctwa_clid"}
)


def referral_of(message: dict[str, Any]) -> Referral | None:
    """The ad or post that the customer came from, and the product asked about."""
    given, asked = dict_of(message.get("referral")), dict_of(dict_of(message.get("context")).get("referred_product"))
    if not given and not asked:
        return None
    kind = text_of(given.get("source_type")) or ""
    product = ReferredProduct(id=asked.get("product_retailer_id"), catalog_id=asked.get("catalog_id")) if asked else None
    source: ReferralSource = "ad" if kind == "ad" else "post" if kind == "post" else "product" if not given else "other"
    return referral(
        source,
        id=given.get("source_id"),
        headline=given.get("headline"),
        body=given.get("body"),
        url=given.get("source_url"),
        media_url=given.get("image_url") or given.get("video_url") or given.get("thumbnail_url"),
        product=product,
        click_id=given.get("ctwa_clid"),
        given=given,
        used=_USED,
    )
