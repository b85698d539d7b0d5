"""The settings of a Facebook Page on Messenger."""

from __future__ import annotations

from pydantic import Field

from adapters._meta.account import PlatformAccount
from adapters.forms import PictureUrl


class MessengerAccount(PlatformAccount):
    """One Page."""

    page_id: str = Field(pattern=r"^\d+$", description="The Page's id; events for other Pages of the same app are put aside.")
    persona_picture_url: PictureUrl | None = Field(
        default=None, description="A public picture for reps who have none of their own; a persona should have one."
    )

    @property
    def own_id(self) -> str:
        """The Page's id."""
        return self.page_id
