"""The settings that all of Meta's channels have."""

from __future__ import annotations

from pydantic import Field, SecretStr

from adapters.contract import Account
from adapters.forms import BaseUrl


class MetaAccount(Account):
    """One app at Meta, and the token that we call its Graph API with."""

    app_secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="The app's secret, which signs webhooks (App settings > Basic). To rotate it, put the new one first.",
    )
    verify_token: SecretStr = Field(
        json_schema_extra={"any_letters": True},
        description="A text that you make up. Enter the same text where the app's webhook is configured.",
    )
    access_token: SecretStr = Field(description="The token for the Graph API, of a system user or of the Page.")
    api_base: BaseUrl = Field(default="https://graph.facebook.com", description="The Graph API's address, without a version.")
    graph_version: str = Field(
        default="v25.0",
        pattern=r"^v\d+\.\d+$",
        description="The Graph API's version. It is always sent, because calls without one use the app's oldest version.",
    )
    prove_calls: bool = Field(
        default=False,
        description="Add `appsecret_proof` to each call. Required if the app demands it (App settings > Advanced > Require app secret).",
    )


class PlatformAccount(MetaAccount):
    """What the channels of the Messenger Platform have: Messenger, and Instagram's direct messages."""

    app_id: str = Field(
        pattern=r"^\d+$",
        description="The app's id. It distinguishes echoes of the gateway's own messages from messages that staff write in the inbox or another app.",
    )
    human_agent: bool = Field(
        default=False,
        description="The app has the Human Agent feature (App review): messages written by a person may be sent up to 7 days after the customer's last message.",
    )
    read_standby: bool = Field(
        default=False,
        description="Show messages while another app (a bot, the inbox) answers the conversation. If off, they are kept aside until the thread is passed to us.",
    )
    mark_seen: bool = Field(default=True, description="Mark the customer's messages as seen when a rep starts typing.")
    take_thread: bool = Field(
        default=False,
        description="If another app has the thread, take it before answering. This works only for the Page's default app.",
    )

    @property
    def own_id(self) -> str:
        """Our side's id in webhooks: the Page's, or the professional account's."""
        raise NotImplementedError

    @property
    def node(self) -> str:
        """The node that messages are sent by."""
        return self.own_id
