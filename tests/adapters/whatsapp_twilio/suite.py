"""WhatsApp through Twilio, as the conformance checks want to know it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from adapters.conformance import Suite
from adapters.whatsapp_twilio import ADAPTER
from tests.adapters.sms.suite import sign
from tests.adapters.whatsapp_twilio.account import ACCOUNT

SUITE: Final = Suite(
    adapter=ADAPTER,
    account=ACCOUNT,
    fixtures=Path(__file__).parent / "fixtures",
    sign=sign,
    proof_headers=("x-twilio-signature",),
)
