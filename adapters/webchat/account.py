"""The settings of a web chat channel: its secrets, where its widget may stand, and what the widget says."""

from __future__ import annotations

from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.contract import Account
from adapters.forms import BaseUrlOrNone, Locale, MimeType, OriginOrAny, Unfit

_MIB = 1024 * 1024
_IDENTITY_BYTES = 32  # as many as the digest has (RFC 7518, 3.2)
Words = Annotated[dict[Locale, str], Field(description="Text by locale (`en`, `de`, `pt-BR`); `en` is used where none fits.")]


class PrechatField(BaseModel):
    """One question of the form before the chat; its answer goes to the reps as an attribute, never as a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="`name` and `email` are known; others are yours.")
    kind: Literal["text", "name", "email", "phone", "select", "checkbox"] = Field(
        default="text", description="What is asked for, and so what the browser offers to fill in."
    )
    label: Words
    required: bool = Field(default=False, description="No chat without an answer.")
    options: tuple[str, ...] = Field(default=(), description="What a `select` offers.")


class QuickReply(BaseModel):
    """A button that answers for the visitor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200, description="What reps' programs see of the answer, beside the words.")
    title: str = Field(min_length=1, max_length=200, description="The words on the button, which the visitor then says.")


class Limits(BaseModel):
    """How much one visitor, and one network (an IPv4 /24 or IPv6 /56), may do before they are asked to wait."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages_per_minute: int = Field(default=60, ge=1, description="By one visitor; files count as messages.")
    signals_per_minute: int = Field(default=120, ge=1, description="Typing and read marks, by one visitor.")
    sessions_per_minute: int = Field(default=60, ge=1, description="New or resumed sessions from one network; offices share one.")
    requests_per_minute: int = Field(default=6000, ge=1, description="All requests from one network.")
    streams: int = Field(default=5, ge=1, description="Open event streams of one visitor (tabs).")
    idle_stream_seconds: int = Field(
        default=3600, ge=60, description="A stream is closed after this long; the widget reopens it."
    )


class WebchatAccount(Account):
    """A web chat channel. Its provider is the gateway's own chat service, which signs and is signed to by `secrets`."""

    secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        json_schema_extra={"any_letters": True},
        description="Sign events, deliveries, visitors' tokens and file links. The first signs, all are accepted: put a new one first, "
        "and drop the old one when `token_days` have passed.",
    )
    api_base: BaseUrlOrNone = Field(
        default="",
        description="Where the chat service of this channel is reached from the gateway, say http://127.0.0.1:8080/chat/web. "
        "Empty: beside `webhook_url`.",
    )
    allowed_origins: tuple[OriginOrAny, ...] = Field(
        default=(),
        description="Origins of the pages that may embed the widget, say https://shop.example; `*` for any. The gateway's own page always may.",
    )
    title: Words = Field(default={"en": "Chat"}, description="The widget's heading, by locale.")
    welcome: Words = Field(default={}, description="The line that greets the visitor, by locale.")
    locale: Locale = Field(default="en", description="For visitors whose browser says nothing.")
    accent: str = Field(
        default="#1a5fb4", pattern=r"^#[0-9a-fA-F]{6}$", description="The colour of the widget's head and buttons."
    )
    starters: tuple[QuickReply, ...] = Field(default=(), description="Quick replies offered before the first message.")
    prechat: tuple[PrechatField, ...] = Field(default=(), description="Questions before the chat; none: no form.")
    max_text: int = Field(default=4000, ge=16, le=20000, description="Code points of one message.")
    max_file_bytes: int = Field(default=10 * _MIB, ge=1024, description="The largest file of a visitor.")
    file_types: tuple[MimeType, ...] = Field(
        default=(
            "image/png",
            "image/jpeg",
            "image/gif",
            "image/webp",
            "application/pdf",
            "text/plain",
            "text/csv",
            "audio/*",
            "video/mp4",
            "video/webm",
            "application/vnd.openxmlformats-officedocument.*",
            "application/zip",
        ),
        description="What visitors may send, by type; `image/*` and `….*` for a family. HTML and SVG are never shown inline.",
    )
    token_days: int = Field(default=30, ge=1, le=400, description="How long a visitor who doesn't come back is known.")
    history_days: int = Field(
        default=90, ge=8, description="How long a visitor's own lines and files are kept by the chat service."
    )
    identity_secrets: tuple[SecretStr, ...] = Field(
        default=(),
        json_schema_extra={"any_letters": True},
        description="HS256 keys of at least 32 bytes, by which your site signs the identity of a logged-in customer.",
    )
    identity_public_key: str = Field(default="", description="RS256: the PEM public key of your site's identity tokens.")
    identity_audience: str = Field(default="", description="The `aud` of identity tokens. Empty: the channel's id.")
    identity_hmac: bool = Field(
        default=False,
        description="Accept the old form too: HMAC-SHA256 of the user id in hex, by `identity_secrets`. It never runs out; prefer tokens.",
    )
    identity_required: bool = Field(default=False, description="Turn away visitors without a proven identity.")
    limits: Limits = Field(default=Limits(), description="How much visitors may do before they are asked to wait.")

    @field_validator("identity_secrets")
    @classmethod
    def _of_hs256(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value().encode()) < _IDENTITY_BYTES for secret in value):
            raise Unfit(
                f"has a key shorter than {_IDENTITY_BYTES} bytes",
                "Generate a longer one, for example with `openssl rand -hex 32`.",
            )
        return value

    @field_validator("identity_public_key")
    @classmethod
    def _of_rs256(cls, value: str) -> str:
        if value:
            try:
                key = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(value)
            except (ValueError, TypeError, InvalidKeyError):
                key = None
            if not isinstance(key, RSAPublicKey):
                raise Unfit("is not an RSA public key", "Copy all of it as PEM, beginning with -----BEGIN PUBLIC KEY-----.")
        return value

    @field_validator("prechat")
    @classmethod
    def _questions(cls, value: tuple[PrechatField, ...]) -> tuple[PrechatField, ...]:
        names = [one.name for one in value]
        if len(set(names)) < len(names):
            raise Unfit("has two questions with the same name", "Give each question its own name.")
        if any(one.kind == "select" and not one.options for one in value):
            raise Unfit("has a select without options", "List its options.")
        return value

    @model_validator(mode="after")
    def _identity_can_be_proven(self) -> WebchatAccount:
        if self.identity_required and not (self.identity_secrets or self.identity_public_key):
            raise Unfit("requires an identity, but no key can verify one", "Set identity_secrets or identity_public_key.")
        if self.identity_hmac and not self.identity_secrets:
            raise Unfit("enables identity_hmac without a key for it", "Set identity_secrets.")
        return self

    @property
    def chat_base(self) -> str:
        """The chat service's address of this channel, without a slash at the end."""
        if self.api_base:
            return self.api_base.rstrip("/")
        return f"{self.webhook_url.rpartition('/webhooks/')[0]}/chat/{self.channel_id}"
