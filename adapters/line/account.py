"""The settings of a LINE Official Account's Messaging API channel."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError
from pydantic import Field, SecretStr, model_validator

from adapters.contract import Account
from adapters.forms import BaseUrl, PictureUrl
from adapters.simulation import hex_of

TokenKind = Literal["long_lived", "short_lived", "v2.1", "stateless"]


class LineAccount(Account):
    """What LINE's consoles show for the channel, and how we shall use it."""

    channel_secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="The channel secret (console, Basic settings). To rotate it, reissue it, put the new one first "
        "here, and remove the old one once messages in transit have arrived.",
    )
    access: TokenKind = Field(
        default="long_lived",
        description="The kind of channel access token. long_lived uses access_tokens. The gateway requests and renews "
        "the others: short_lived (30 days) and stateless (15 minutes) with line_channel_id and the channel secret, v2.1 "
        "with an assertion key. stateless also uses the assertion key if there is one.",
    )
    access_tokens: tuple[SecretStr, ...] = Field(
        default=(), description="Long-lived channel access tokens. The first is used; if LINE refuses it, the next."
    )
    line_channel_id: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,20}$",
        description="LINE's id of the channel (console, Basic settings), all digits. Required for every access except long_lived.",
    )
    assertion_key: SecretStr | None = Field(
        default=None,
        json_schema_extra={"any_letters": True},
        description="The private assertion signing key, as PEM or as a JSON Web Key. For access v2.1 or stateless.",
    )
    assertion_key_id: str | None = Field(default=None, description="The key's `kid`, which the console shows after registration.")
    bot_user_id: str | None = Field(
        default=None,
        pattern=r"^U[0-9a-f]{32}$",
        description="The account's own user id (U and 32 hex digits). If set, events for another account are kept as unknown.",
    )
    api_base: BaseUrl = Field(default="https://api.line.me", description="Address of the Messaging API.")
    data_base: BaseUrl = Field(default="https://api-data.line.me", description="Address from which customers' files are fetched.")
    sticker_base: BaseUrl = Field(default="https://stickershop.line-scdn.net", description="Address of stickers' pictures.")
    prefer_reply: bool = Field(
        default=False,
        description="Answer with the reply token while it is valid. Replies are free; pushes count against the monthly "
        "quota. The drawback is that LINE has no retry key for replies, so a reply that is interrupted by a crash "
        "becomes unknown.",
    )
    reply_token_seconds: int = Field(
        default=50, ge=0, le=3600, description="How long a reply token is used after its arrival. LINE promises about a minute."
    )
    mark_as_read: bool = Field(
        default=False,
        description="Show the customer's messages as read when a person answers. Needs chat switched on in LINE Official Account Manager.",
    )
    loading_seconds: int = Field(
        default=20, ge=5, le=60, multiple_of=5, description="How long the loading animation runs when a rep is typing."
    )
    preview_image_url: PictureUrl | None = Field(
        default=None,
        description="A small https picture (JPEG or PNG, at most 1 MB) that is shown in place of videos and of "
        "pictures over 1 MB until they are opened. Without it, videos are sent as links.",
    )
    max_media_bytes: int = Field(default=200_000_000, ge=1, description="The largest file that is fetched from LINE.")

    @model_validator(mode="after")
    def _token_can_be_had(self) -> Self:
        if self.access == "long_lived" and not self.access_tokens:
            raise ValueError("access long_lived needs access_tokens: issue one in the console, or choose another kind of token")
        if self.access != "long_lived" and not self.line_channel_id:
            raise ValueError(f"access {self.access} needs line_channel_id: copy it from the console's Basic settings")
        if self.access == "v2.1" and not self.assertion_key:
            raise ValueError("access v2.1 needs assertion_key and assertion_key_id: register a key in the console")
        if self.assertion_key and not self.assertion_key_id:
            raise ValueError("assertion_key needs assertion_key_id: the console shows it as kid when the key is registered")
        if self.assertion_key:
            self.signing_key()
        return self

    def signing_key(self) -> RSAPrivateKey:
        """The assertion key, ready to sign with. Raises ValueError where it is none."""
        return _rsa_key(self.assertion_key.get_secret_value().strip() if self.assertion_key else "")


@lru_cache(maxsize=64)
def _rsa_key(secret: str) -> RSAPrivateKey:
    """Read once: every send looks for its token by what was signed, and reading a key, which checks its primes, takes 20 times as long as signing."""
    algorithm = RSAAlgorithm(RSAAlgorithm.SHA256)
    try:
        key = algorithm.from_jwk(secret) if secret.startswith("{") else algorithm.prepare_key(secret)
    except (ValueError, TypeError, KeyError, InvalidKeyError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("assertion_key is not an RSA private key: copy it again, as PEM or as a JSON Web Key")
    return key


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for a simulated account: three hosts of LINE below one base, secrets made from the channel's id."""
    return {
        "channel_secrets": [hex_of(f"{channel_id} secret", 32)],
        "access_tokens": [f"demo-token-{hex_of(f'{channel_id} token', 24)}"],
        "bot_user_id": "U" + hex_of(f"{channel_id} bot", 32),
        "api_base": base,
        "data_base": f"{base}/data",
        "sticker_base": f"{base}/stickers",
    }
