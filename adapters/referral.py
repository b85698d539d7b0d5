"""Where a customer came from: the ad, post, link, product, story or page behind a message, in one form for every channel.

All of it was written by somebody else: advertisers, shops, whoever made a link. So the value bounds itself, whatever an adapter or a plug-in
puts in: texts are cut and lose control characters, addresses are kept only if they are http(s), and `extra` has an end. Nothing here is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

ReferralSource: TypeAlias = Literal["ad", "post", "link", "product", "story", "optin", "page", "other"]

MOST_WORDS: Final = 1_000  # code points of a headline or a body
MOST_ID: Final = 500  # of an id or a value of our own; Meta's click ids have about 150
MOST_ADDRESS: Final = 2_048
MOST_EXTRA: Final = 4_000  # bytes of JSON; one member may have a quarter of it


def words(most: int) -> Callable[[object], str | None]:
    """A cleaner: a text of at most `most` code points without control characters, a number as its digits; None for anything else."""

    def clean(value: object) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            return None
        text = value[: most * 2]
        if not text.isprintable():
            text = "".join(c for c in text if c in "\n\t" or ((c.isprintable() or c.isspace()) and ord(c) >= 32))
        text = text.strip()
        return (text if len(text) <= most else f"{text[: most - 1]}…") or None

    return clean


def web_address(value: object) -> str | None:
    """The address if it is http(s) with a host and not endless, else None: `javascript:` and the like lead nowhere."""
    if not isinstance(value, str) or len(value) > MOST_ADDRESS or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme.lower() in ("http", "https") and parts.hostname else None


def _bounded(value: object) -> dict[str, Any]:
    """The members that fit, in their order; what is too large or no JSON is left out."""
    kept: dict[str, Any] = {}
    left = MOST_EXTRA
    for key, one in value.items() if isinstance(value, Mapping) else ():
        try:
            size = len(json.dumps({str(key): one}, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError):
            continue
        if size <= min(left, MOST_EXTRA // 4):
            kept[str(key)] = one
            left -= size
    return kept


_Words = Annotated[str | None, BeforeValidator(words(MOST_WORDS))]
_Id = Annotated[str | None, BeforeValidator(words(MOST_ID))]
_Address = Annotated[str | None, BeforeValidator(web_address)]


class ReferredProduct(BaseModel):
    """A product of the business's own catalogue that the customer asks about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: _Id = Field(
        default=None, description="The shop's own id (retailer id, SKU) if the provider sends it, otherwise the provider's."
    )
    catalog_id: _Id = None


class Referral(BaseModel):
    """What brought the customer. Only `source` is always present; it is `other` if the provider names something else.

    `ref` is a word of the business's own that came back: Messenger's `ref`, Apple's `intent`. `id` is the provider's id of the ad, post or story.
    `extra` are the provider's other fields, by its own names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: ReferralSource = Field(
        description="`ad`, `post`, `link`, `product`, `story`, `optin`, `page` (a web chat's) or `other`."
    )
    id: _Id = None
    ref: _Id = None
    group: _Id = Field(default=None, description="Apple's `group` of the link.")
    headline: _Words = None
    body: _Words = None
    url: _Address = Field(default=None, description="Of the ad, post or page; http(s) only.")
    media_url: _Address = Field(
        default=None, description="A picture or video of the ad; http(s) only. The gateway doesn't fetch it."
    )
    product: ReferredProduct | None = None
    click_id: _Id = Field(default=None, description="The ad platform's id of the click (Meta's `ctwa_clid`).")
    extra: Annotated[dict[str, JsonValue], BeforeValidator(_bounded)] = Field(default_factory=dict)

    @property
    def plain(self) -> str:
        """`[from an ad: Spring sale]`."""
        product = self.product.id if self.product else None
        about = next((one for one in (self.headline, self.ref, self.group, product, self.url, self.id) if one), None)
        return f"[from {_NAMES[self.source]}: {about}]" if about else f"[from {_NAMES[self.source]}]"


_NAMES: Final[Mapping[str, str]] = {
    "ad": "an ad",
    "post": "a post",
    "link": "a link",
    "product": "a product",
    "story": "a story",
    "optin": "an opt-in",
    "page": "a page",
    "other": "elsewhere",
}


_TOLD: Final = frozenset({"ad", "post"})  # known for a referral even if nothing else is said


def referral(
    source: ReferralSource, *, given: Mapping[str, Any] | None = None, used: frozenset[str] = frozenset(), **fields: Any
) -> Referral | None:
    """A referral; None where nothing is known of it, unless the provider says that it was an ad or a post. Of `given`, what isn't `used`
    goes to `extra`."""
    rest = {key: value for key, value in given.items() if key not in used and value not in (None, "", {}, [])} if given else {}
    fields = {name: value for name, value in fields.items() if value is not None}
    if source not in _TOLD and not rest and not any(fields.values()):
        return None
    found = Referral(source=source, extra=rest, **fields)
    known = source in _TOLD or found.extra or any(getattr(found, name) is not None for name in fields)
    return found if known else None
