"""Instagram's webhooks; `adapters/_meta/platform/inbound.py` parses their content."""

from __future__ import annotations

from datetime import datetime

from adapters._meta import webhook
from adapters._meta.platform import inbound as platform
from adapters.contract import Answer, RawRequest
from adapters.envelope import Inbound
from adapters.instagram.account import InstagramAccount


def handshake(request: RawRequest, account: InstagramAccount) -> Answer | None:
    """Answer Meta's subscription call."""
    return webhook.handshake(request, account.verify_token)


def verify(request: RawRequest, account: InstagramAccount, now: datetime) -> None:
    """Raise NotAuthentic unless Meta signed these bytes. There is no signed time: nothing here can be too old."""
    webhook.verify(request, account.app_secrets)


def parse(request: RawRequest, account: InstagramAccount) -> list[Inbound]:
    """All events of a delivery, in order."""
    return platform.parse(request, account, "instagram")
