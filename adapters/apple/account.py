"""The settings of one Apple business."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field, SecretStr, field_validator

from adapters.apple.tokens import key_of
from adapters.contract import Account
from adapters.forms import BaseUrl, Unfit

_DEMO: Final = uuid.UUID("2b1f6f0e-6a38-5f0c-9a55-7a3d0c1e9b42")


def _uuid(value: str) -> str:
    bare = value.removeprefix("urn:biz:")
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", bare):
        raise Unfit("is not a UUID", "Copy it from Apple's Register portal: 32 hex digits in five groups.")
    return bare


Uuid: TypeAlias = Annotated[str, AfterValidator(_uuid)]


class AppleAccount(Account):
    """One business of an MSP. Source: Apple, "Getting started as an MSP": the portal shows the MSP id and the secret."""

    msp_id: Uuid = Field(description="The MSP id (a UUID) that Apple's Register portal shows.")
    business_id: Uuid = Field(description="The business id (a UUID, without `urn:biz:`) that customers write to.")
    secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="The MSP's API secrets, in base64 as the portal shows them. The first signs calls to Apple; the "
        "others are tried if Apple refuses it. Apple may sign with any of them.",
    )
    api_base: BaseUrl = Field(
        default="https://mspgw.push.apple.com/v1", description="Apple's gateway, without a slash at the end."
    )
    token_age_seconds: int = Field(
        default=3600,
        ge=0,
        description="How old, or how far ahead of the clock, Apple's tokens may be. 0 accepts any age, because Apple's tokens don't expire.",
    )
    max_unpacked_bytes: int = Field(default=1_048_576, ge=1024, description="The largest webhook body after unpacking (gzip).")
    rich_links: bool = Field(
        default=True, description="Send a text that is only a link as a link card, which loads without a tap."
    )
    same_answer_once: bool = Field(
        default=True,
        description="Count equal answers to the same picker or form once, because Apple has been seen to send one "
        "twice under different ids. The drawback: picking A, then B, then A again counts as A and B.",
    )
    msp_agent: str = Field(
        default="", max_length=64, pattern=r"^[ -~]*$", description="A text that Apple logs with the messages."
    )

    @field_validator("secrets")
    @classmethod
    def _base64(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            try:
                key = key_of(secret.get_secret_value())
            except (binascii.Error, ValueError):
                raise ValueError("a secret is not base64: copy it from Apple's portal exactly") from None
            if not key:
                raise ValueError("a secret is empty: copy it from Apple's portal")
        return secrets

    def is_own(self, url: str) -> bool:
        """Whether a URL is below the configured gateway, so that it can be trusted."""
        return url.startswith(f"{self.api_base}/")


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo: made from the channel's name, never a real key."""
    secret = hashlib.sha256(f"demo secret of {channel_id}".encode()).digest()
    return {
        "msp_id": str(uuid.uuid5(_DEMO, f"msp {channel_id}")),
        "business_id": str(uuid.uuid5(_DEMO, f"business {channel_id}")),
        "secrets": [base64.b64encode(secret).decode()],
        "api_base": base,
    }
