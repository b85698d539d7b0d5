"""The settings of a Facebook Page on Messenger."""

from __future__ import annotations

from pydantic import Field

from adapters._meta.account import PlatformAccount
from adapters.forms import PictureUrl


class MessengerAccount(PlatformAccount):
    """One Page."""

    page_id: str = Field(
        pattern=r"^\d+$", description="The Page's id. Events for other Pages of the same app are kept as unknown."
    )
    persona_picture_url: PictureUrl | None = Field(
        default=None, description="A public picture for reps without their own; a persona should have one."
    )

    @property
    def own_id(self) -> str:
        """The Page's id."""
        return self.page_id
