"""The settings of a WhatsApp number at Meta's Cloud API."""

from __future__ import annotations

from pydantic import Field

from adapters._meta.account import MetaAccount
from adapters.forms import HostName


class WhatsAppAccount(MetaAccount):
    """One business phone number."""

    phone_number_id: str = Field(
        pattern=r"^\d+$",
        description="The number's id at Meta (not the number itself). Events for other numbers of the same app are kept as unknown.",
    )
    notice_format: str = Field(
        pattern=r"\{text\}",
        default="_{text}_",
        description="The format that distinguishes notices from reps' messages. WhatsApp shows text between underscores in italics. `{text}` sends it plain.",
    )
    link_previews: bool = Field(default=True, description="Whether WhatsApp shows a preview of the first link in a text.")
    media_hosts: tuple[HostName, ...] = Field(
        default=("fbsbx.com", "fbcdn.net", "facebook.com", "whatsapp.net"),
        description="Hosts (and their subdomains) that may receive the access token when a customer's file is fetched.",
    )
