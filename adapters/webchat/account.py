"""The settings of a web chat channel: its secrets, the pages that may embed its widget, and the widget's texts."""

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
Words = Annotated[
    dict[Locale, str], Field(description="Text by locale (`en`, `de`, `pt-BR`). `en` is used if no locale matches.")
]


class PrechatField(BaseModel):
    """One question of the form before the chat; its answer goes to the reps as an attribute, never as a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="The question's name. `name` and `email` have a meaning; all others are yours.",
    )
    kind: Literal["text", "name", "email", "phone", "select", "checkbox"] = Field(
        default="text", description="The kind of value, which also determines what the browser offers to fill in."
    )
    label: Words
    required: bool = Field(default=False, description="Whether an answer is required.")
    options: tuple[str, ...] = Field(default=(), description="The options of a `select`.")


class QuickReply(BaseModel):
    """A button that answers for the visitor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200, description="The answer's id, for programs.")
    title: str = Field(
        min_length=1, max_length=200, description="The text on the button, which is sent as the visitor's message."
    )


class Limits(BaseModel):
    """How much one visitor, and one network (an IPv4 /24 or IPv6 /56), may do before they are asked to wait."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages_per_minute: int = Field(default=60, ge=1, description="Messages of one visitor; files count as messages.")
    signals_per_minute: int = Field(default=120, ge=1, description="Typing signals and read marks of one visitor.")
    sessions_per_minute: int = Field(
        default=60, ge=1, description="New or resumed sessions from one network. Offices share one network."
    )
    requests_per_minute: int = Field(default=6000, ge=1, description="All requests from one network.")
    streams: int = Field(default=5, ge=1, description="Open event streams of one visitor (tabs).")
    idle_stream_seconds: int = Field(
        default=3600, ge=60, description="Time after which a stream is closed; the widget reopens it."
    )


class WebchatAccount(Account):
    """A web chat channel. Its provider is the gateway's own chat service, which signs and is signed to by `secrets`."""

    secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        json_schema_extra={"any_letters": True},
        description="Secrets that sign events, deliveries, visitors' tokens and file links. The first signs; all are "
        "accepted. To rotate, put a new one first and remove the old one after `token_days`.",
    )
    api_base: BaseUrlOrNone = Field(
        default="",
        description="The address of this channel's chat service, as seen from the gateway, for example "
        "http://127.0.0.1:8080/chat/web. Empty: derived from `webhook_url`.",
    )
    allowed_origins: tuple[OriginOrAny, ...] = Field(
        default=(),
        description="Origins of the pages that may embed the widget, for example https://shop.example; `*` for any. The gateway's own page always may.",
    )
    title: Words = Field(default={"en": "Chat"}, description="The widget's heading, by locale.")
    welcome: Words = Field(default={}, description="The line that greets visitors, by locale.")
    locale: Locale = Field(default="en", description="Locale of visitors whose browser doesn't state one.")
    accent: str = Field(default="#1a5fb4", pattern=r"^#[0-9a-fA-F]{6}$", description="Colour of the widget's header and buttons.")
    starters: tuple[QuickReply, ...] = Field(default=(), description="Quick replies offered before the first message.")
    prechat: tuple[PrechatField, ...] = Field(default=(), description="Questions before the chat. If empty, there is no form.")
    max_text: int = Field(default=4000, ge=16, le=20000, description="Longest message, in code points.")
    max_file_bytes: int = Field(default=10 * _MIB, ge=1024, description="Largest file that a visitor may send, in bytes.")
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
        description="File types that visitors may send; `image/*` and `….*` stand for a family. HTML and SVG are never shown inline.",
    )
    token_days: int = Field(default=30, ge=1, le=400, description="How long a visitor who doesn't return is remembered.")
    history_days: int = Field(
        default=90, ge=8, description="How long a visitor's own lines and files are kept by the chat service."
    )
    identity_secrets: tuple[SecretStr, ...] = Field(
        default=(),
        json_schema_extra={"any_letters": True},
        description="HS256 keys of at least 32 bytes, with which your site signs the identity of a logged-in customer.",
    )
    identity_public_key: str = Field(default="", description="The PEM public key of your site's identity tokens, for RS256.")
    identity_audience: str = Field(default="", description="The `aud` of identity tokens. Empty: the channel's id.")
    identity_hmac: bool = Field(
        default=False,
        description="Also accept the old form: HMAC-SHA256 of the user id in hex, with `identity_secrets`. It never expires; prefer tokens.",
    )
    identity_required: bool = Field(default=False, description="Refuse visitors without a verified identity.")
    limits: Limits = Field(default=Limits(), description="Rate limits for visitors.")

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
