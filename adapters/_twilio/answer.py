"""The answer to Twilio once its request is stored."""

from __future__ import annotations

from typing import Final

from adapters.contract import Answer

# Twilio runs what a webhook answers as TwiML; an empty response says nothing to the customer.
NOTHING_TO_SAY: Final = Answer(
    200, b'<?xml version="1.0" encoding="UTF-8"?><Response/>', {"content-type": "text/xml; charset=utf-8"}
)
