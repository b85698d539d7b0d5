"""The settings of an Instagram professional account's direct messages."""

from __future__ import annotations

from pydantic import Field

from adapters._meta.account import PlatformAccount


class InstagramAccount(PlatformAccount):
    """One professional account.

    Two ways lead to it: linked to a Facebook Page (the Page's token, graph.facebook.com), or by Instagram Login (an Instagram token that
    lives 60 days, `api_base` https://graph.instagram.com).
    """

    instagram_id: str = Field(pattern=r"^\d+$", description="The professional account's id, as in its webhooks.")
    page_id: str | None = Field(
        default=None,
        pattern=r"^\d+$",
        description="The linked Page, through which messages are sent. Leave it out with Instagram Login.",
    )

    @property
    def own_id(self) -> str:
        """The professional account's id."""
        return self.instagram_id

    @property
    def node(self) -> str:
        """Messages go by the Page, or by whoever the token is of."""
        return self.page_id or "me"
