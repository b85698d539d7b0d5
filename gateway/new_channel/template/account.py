"""The settings of one account at the provider. `byoc channels`, `byoc check` and the docs read them from here."""

from __future__ import annotations

from pydantic import Field, SecretStr

from adapters.contract import Account


class ExampleAccount(Account):
    """An account: what the provider signs with, and what we call it with."""

    secrets: tuple[SecretStr, ...] = Field(
        description="Secrets that sign the webhooks. List several while you rotate them; any of them is accepted."
    )
    token: SecretStr = Field(description="The API's bearer token.")
    api_base: str = Field(default="https://api.example.com", description="The API's address; set another one for tests.")
