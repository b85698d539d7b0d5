"""The settings of an open channel: the secrets of both directions, and where your server is."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import Field, SecretStr, field_validator

from adapters import standard_webhooks
from adapters.contract import Account
from adapters.forms import ServerUrl, Unfit

_LEAST_BYTES = 16


class OpenAccount(Account):
    """A channel of your own making, reached by signed HTTP both ways."""

    secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        json_schema_extra={"any_letters": True},
        description="Secrets that sign requests in both directions: `whsec_` and base64 (of 24 bytes or more), or any "
        "text of at least 16 bytes. While you rotate, list several: the gateway accepts any of them and signs with all.",
    )
    deliver_url: ServerUrl = Field(
        description="The URL on your server to which the gateway posts messages for customers. It may be a private address.",
    )
    deliver_secrets: tuple[SecretStr, ...] = Field(
        default=(),
        json_schema_extra={"any_letters": True},
        description="Secrets that sign the gateway's requests to you, if they must differ from `secrets`.",
    )

    @field_validator("secrets", "deliver_secrets")
    @classmethod
    def _strong(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """A mistyped `whsec_` secret would else stand for its own letters, and never match the other side's."""
        for secret in value:
            text = secret.get_secret_value()
            key = standard_webhooks.key_of(text)
            if text.startswith("whsec_") and key == text.encode():
                raise Unfit("has no base64 after whsec_", "Copy the whole secret.")
            if len(key) < _LEAST_BYTES:
                raise Unfit(
                    f"has a secret shorter than {_LEAST_BYTES} bytes",
                    "Generate a longer one, for example with `openssl rand -hex 24`.",
                )
        return value

    @property
    def signing_secrets(self) -> tuple[SecretStr, ...]:
        """What signs our requests to you."""
        return self.deliver_secrets or self.secrets


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo, with a server of nobody's at `base`."""
    made_up = base64.b64encode(f"demo of {channel_id}, no real secret".encode()).decode()
    return {"secrets": [f"whsec_{made_up}"], "deliver_url": base}
