"""The settings that all of Meta's channels have."""

from __future__ import annotations

from pydantic import Field, SecretStr

from adapters.contract import Account
from adapters.forms import BaseUrl


class MetaAccount(Account):
    """One app at Meta, and the token that we call its Graph API with."""

    app_secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="The app's secret, which signs webhooks (App settings > Basic). While it is rotated: the new one first, then the old.",
    )
    verify_token: SecretStr = Field(
        json_schema_extra={"any_letters": True},
        description="Any text of your own; enter the same where the app's webhook is configured.",
    )
    access_token: SecretStr = Field(description="The token for the Graph API, of a system user or of the Page.")
    api_base: BaseUrl = Field(default="https://graph.facebook.com", description="The Graph API's address, without a version.")
    graph_version: str = Field(
        default="v25.0",
        pattern=r"^v\d+\.\d+$",
        description="The Graph API's version. Calls without one would go to the app's oldest, so there always is one.",
    )
    prove_calls: bool = Field(
        default=False,
        description="Add `appsecret_proof` to each call; needed where the app demands it (App settings > Advanced > Require app secret).",
    )


class PlatformAccount(MetaAccount):
    """What the channels of the Messenger Platform have: Messenger, and Instagram's direct messages."""

    app_id: str = Field(
        pattern=r"^\d+$",
        description="The app's id: echoes of our own messages are told by it from what staff write in the inbox or another app.",
    )
    human_agent: bool = Field(
        default=False,
        description="The app has the Human Agent feature (App review): what a person wrote may go up to 7 days after the customer's last message.",
    )
    read_standby: bool = Field(
        default=False,
        description="Show messages that another app (a bot, the inbox) answers now. Off: they are kept aside until the thread is passed to us.",
    )
    mark_seen: bool = Field(
        default=True, description="Show the customer that their messages were seen, when a rep begins to type."
    )
    take_thread: bool = Field(
        default=False,
        description="When another app holds the thread, take it before answering; works only for the default app of the Page.",
    )

    @property
    def own_id(self) -> str:
        """Our side's id in webhooks: the Page's, or the professional account's."""
        raise NotImplementedError

    @property
    def node(self) -> str:
        """The node that messages are sent by."""
        return self.own_id
