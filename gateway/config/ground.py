"""What every group of settings has in common."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict

from adapters.forms import Unfit


class Settings(BaseModel):
    """Ground of all settings: frozen, an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_SECURE: Final = r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:\d{1,5})?(/[!-~]*)?"


def secure_url(value: str) -> str:
    """The URL, if its answers can be trusted: https, or plain http to this machine. Raises ValueError otherwise."""
    if not re.fullmatch(_SECURE, value) or "#" in value:
        raise Unfit("is not an https URL", "Write it like https://login.example.com, without a fragment.")
    return value
