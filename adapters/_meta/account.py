"""The settings that all of Meta's channels have."""

from __future__ import annotations

from pydantic import Field, SecretStr

from adapters.contract import Account


class MetaAccount(Account):
    """One app at Meta, and the token that we call its Graph API with."""

    app_secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="The app's secret, which signs webhooks (App settings > Basic). While it is rotated: the new one first, then the old.",
    )
    verify_token: SecretStr = Field(description="Any text of your own; enter the same where the app's webhook is configured.")
    access_token: SecretStr = Field(description="The token for the Graph API, of a system user or of the Page.")
    api_base: str = Field(default="https://graph.facebook.com", description="The Graph API's address, without a version.")
    graph_version: str = Field(
        default="v25.0",
        pattern=r"^v\d+\.\d+$",
        description="The Graph API's version. Calls without one would go to the app's oldest, so there always is one.",
    )
    prove_calls: bool = Field(
        default=False,
        description="Add `appsecret_proof` to each call; needed where the app demands it (App settings > Advanced > Require app secret).",
    )
