"""The Messenger Platform's JSON, as Messenger and Instagram have it: what a message holds. Readers that take anything.

Sources: Meta for Developers, Messenger Platform, "Webhooks reference > messages, message_echoes, messaging_postbacks" and Instagram's
"Messaging webhooks" (read 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from adapters import made
from adapters._meta.webhook import number_of, text_of
from adapters.envelope import (
    ChoicePart,
    LocationPart,
    MediaPart,
    MediaState,
    OrderItem,
    OrderPart,
    Part,
    ProductPart,
    StickerPart,
    UnknownPart,
    from_unix,
)
from adapters.reading import dict_of, list_of
from adapters.referral import Referral, ReferralSource, ReferredProduct, referral

_Media = Literal["image", "video", "audio", "voice", "file"]
_MEDIA: Final[dict[str, _Media]] = {"image": "image", "video": "video", "audio": "audio", "file": "file"}
# The thumb in its three sizes.
_THUMBS: Final = {"369239263222822", "369239343222814", "369239383222810"}
# Shares of things that live at Meta: a reader gets title and address, we store nothing of them.
_SHARES: Final = {"reel": "reel", "ig_reel": "reel", "post": "post", "ig_post": "post", "share": "post", "ig_story": "story"}
_MOST_PRODUCTS: Final = 30  # a carousel has 10
_EMOJI: Final = {"smile": "😆", "angry": "😠", "sad": "😢", "wow": "😮", "love": "❤", "like": "👍", "dislike": "👎"}


def time_of(stamp: object) -> datetime | None:
    """Milliseconds, as a number or a text; some samples have seconds."""
    number = number_of(stamp)
    return from_unix(number, unit="ms" if number > 1e11 else "s") if number else None


def parts_of(message: dict[str, Any]) -> tuple[Part, ...]:
    """What a message holds. At least one part: what Meta can't hand over (a poll) comes with nothing in it."""
    parts = [*_story(message), *_words(message), *_attached(message)]
    return tuple(parts) or (_nothing(message),)


def _words(message: dict[str, Any]) -> Iterator[Part]:
    text = text_of(message.get("text"))
    choice = message.get("quick_reply")
    if text and isinstance(choice, dict):
        yield ChoicePart(id=text_of(choice.get("payload")), title=text)
    elif text:
        yield made.text(text=text)
    else:
        for command in map(dict_of, list_of(message.get("commands"))):
            yield UnknownPart(provider_type="command", fallback=f"[command: {text_of(command.get('name')) or '?'}]")


def _story(message: dict[str, Any]) -> Iterator[Part]:
    """An answer to our story. Its picture isn't fetched: Meta forbids to keep it."""
    if dict_of(message.get("reply_to")).get("story"):
        yield UnknownPart(provider_type="story_reply", fallback="[in answer to your story]")


def _nothing(message: dict[str, Any]) -> Part:
    return UnknownPart(provider_type="unsupported", fallback="[a message that Meta doesn't deliver; see Meta's inbox]")


def _attached(message: dict[str, Any]) -> Iterator[Part]:
    """A sticker may be listed twice, as `image` and as `sticker`; it counts once."""
    text, stickers = text_of(message.get("text")) or "", set()
    for attachment in map(dict_of, list_of(message.get("attachments"))):
        kind, payload = text_of(attachment.get("type")) or "nothing", dict_of(attachment.get("payload"))
        sticker = text_of(payload.get("sticker_id"))
        if sticker and sticker in stickers:
            continue
        if sticker or kind in ("sticker", "like_heart"):
            stickers.add(sticker)
            yield _sticker(kind, sticker, payload)
            continue
        if kind == "template" and (products := _products(payload)):
            yield from products
            continue
        part = _part(kind, payload, attachment, text)
        if part is not None:
            yield part


def _part(kind: str, payload: dict[str, Any], attachment: dict[str, Any], text: str) -> Part | None:
    if kind in _MEDIA:
        return media_part(_MEDIA[kind], payload)
    if kind == "fallback":
        return _link(payload, attachment, text)
    reader = _READERS.get(kind)
    part = reader(payload) if reader else None
    return part or _share(kind, payload)


def media_part(media: _Media, payload: dict[str, Any]) -> MediaPart:
    """A file at Meta's; echoes may have none to fetch."""
    url = text_of(payload.get("url"))
    return MediaPart(
        media=media,
        state=MediaState.pending if url else MediaState.failed,
        name=_file_name(url) if url and media == "file" else None,
        source={"url": url} if url else {},
        reason=None if url else "Meta gave no address for the file",
    )


def _file_name(url: str) -> str | None:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])[:200] or None
    except ValueError:
        return None


def _sticker(kind: str, sticker: str | None, payload: dict[str, Any]) -> Part:
    words = "👍" if sticker in _THUMBS else "❤" if kind == "like_heart" else None
    picture = media_part("image", payload) if text_of(payload.get("url")) else None
    return StickerPart(provider_id=sticker, text=words, media=picture)


def _link(payload: dict[str, Any], attachment: dict[str, Any], text: str) -> Part | None:
    """A shared link; left out where the text holds it already."""
    url = text_of(payload.get("url")) or text_of(attachment.get("url"))
    title = text_of(payload.get("title")) or text_of(attachment.get("title"))
    if url and url in text:
        return None
    return UnknownPart(provider_type="fallback", fallback=" ".join(filter(None, [title, url])) or "[link]")


def _location(payload: dict[str, Any]) -> Part | None:
    place = dict_of(payload.get("coordinates"))
    latitude, longitude = number_of(place.get("lat")), number_of(place.get("long"))
    return None if latitude is None or longitude is None else LocationPart(latitude=latitude, longitude=longitude)


def _booking(payload: dict[str, Any]) -> Part:
    start = time_of(payload.get("start_time"))
    words = [text_of(payload.get("status")), start.isoformat() if start else None, text_of(payload.get("timezone"))]
    return UnknownPart(provider_type="appointment_booking", fallback=f"[booking: {', '.join(filter(None, words)) or 'changed'}]")


def _products(payload: dict[str, Any]) -> list[ProductPart]:
    """Products that somebody sent, each with its price as Meta writes it ("$40"). Meta gives their details only to apps with
    `catalog_management`."""
    elements = list_of(dict_of(payload.get("product")).get("elements"))
    return [
        ProductPart(
            title=text_of(one.get("title")),
            price=text_of(one.get("subtitle")),
            retailer_id=text_of(one.get("retailer_id")),
            product_id=text_of(one.get("id")),
        )
        for one in map(dict_of, elements[:_MOST_PRODUCTS])
        if one
    ]


def _template(payload: dict[str, Any]) -> Part:
    """Our own buttons and cards, in an echo."""
    titles = [text_of(dict_of(one).get("title")) for one in list_of(payload.get("elements"))]
    words = [text_of(payload.get("text")), *titles]
    return UnknownPart(provider_type="template", fallback=" / ".join(filter(None, words)) or "[buttons]")


def _mention(payload: dict[str, Any]) -> Part:
    """Not fetched: keeping the story of another can cost the app its review."""
    return UnknownPart(provider_type="story_mention", fallback="[mentioned you in a story; see it in the app]")


_READERS: Final[dict[str, Callable[[dict[str, Any]], Part | None]]] = {
    "location": _location,
    "appointment_booking": _booking,
    "template": _template,
    "story_mention": _mention,
}


def _share(kind: str, payload: dict[str, Any]) -> Part:
    words = filter(None, [text_of(payload.get("title")), text_of(payload.get("url"))])
    return UnknownPart(provider_type=kind, fallback=f"[{_SHARES.get(kind, kind)}] {' '.join(words)}".rstrip())


def postback_part(postback: dict[str, Any]) -> Part:
    """A tapped button; the payload is there only for the app that sent the button."""
    payload = text_of(postback.get("payload"))
    return ChoicePart(id=payload, title=text_of(postback.get("title")) or payload or "[button]")


def order_part(order: dict[str, Any]) -> Part:
    """A cart that the customer sent."""
    items = tuple(_item(one) for one in map(dict_of, list_of(order.get("products"))))
    return OrderPart(items=items, note=text_of(order.get("note")))


def _item(product: dict[str, Any]) -> OrderItem:
    return OrderItem(
        title=text_of(product.get("name")),
        retailer_id=text_of(product.get("retailer_id")),
        product_id=text_of(product.get("id")),
        quantity=text_of(product.get("quantity")),
        price=text_of(product.get("unit_price")),
        currency=text_of(product.get("currency")),
    )


def emoji_of(reaction: dict[str, Any]) -> str | None:
    """The emoji of a reaction; None: taken back. Older events give a name alone."""
    if text_of(reaction.get("action")) == "unreact":
        return None
    name = text_of(reaction.get("reaction")) or ""
    return text_of(reaction.get("emoji")) or _EMOJI.get(name) or name or None


def quoted(message: dict[str, Any]) -> str | None:
    """The message that it answers."""
    return text_of(dict_of(message.get("reply_to")).get("mid"))


_SOURCES: Final[dict[str, ReferralSource]] = {
    "ADS": "ad",
    "SHORTLINK": "link",
    "MESSENGER_CODE": "link",
    "CUSTOMER_CHAT_PLUGIN": "page",
    "DISCOVER_TAB": "other",
}
_USED: Final = frozenset({"ref", "ad_id", "product", "referer_uri"})
_USED_OF_AD: Final = frozenset({"ad_title", "photo_url", "video_url", "product_id"})


def referral_of(holder: dict[str, Any]) -> Referral | None:
    """The ad, link or product that the customer came from; else the story that they answer."""
    given = dict_of(holder.get("referral"))
    story = text_of(dict_of(dict_of(holder.get("reply_to")).get("story")).get("id"))
    found = referral_in(given) if given else None
    return found or (referral("story", id=story) if story else None)


def referral_in(given: dict[str, Any]) -> Referral | None:
    """Meta's `referral` object: a link's `ref`, an ad with what it shows, a product of the shop."""
    ad = dict_of(given.get("ads_context_data"))
    product = text_of(dict_of(given.get("product")).get("id")) or text_of(ad.get("product_id"))
    named = text_of(given.get("source")) or ""
    fallback: ReferralSource = "ad" if given.get("ad_id") else "product" if product else "link" if given.get("ref") else "other"
    rest = {key: value for key, value in ad.items() if key not in _USED_OF_AD}
    return referral(
        _SOURCES.get(named, fallback),
        id=given.get("ad_id"),
        ref=given.get("ref"),
        headline=ad.get("ad_title"),
        url=given.get("referer_uri"),
        media_url=ad.get("photo_url") or ad.get("video_url"),
        product=ReferredProduct(id=product) if product else None,
        given={**given, "ads_context_data": rest},
        used=_USED,
    )


def optin_in(optin: dict[str, Any]) -> Referral | None:
    """The customer agreed to be written to: by the Send-to-Messenger plug-in, a checkbox, or to notifications. Tokens stay out."""
    return referral(
        "optin",
        ref=optin.get("ref") or optin.get("payload"),
        headline=optin.get("title"),
        given={name: value for name, value in optin.items() if "token" not in name},
        used=frozenset({"ref", "payload", "title", "user_ref"}),
    )
