"""What the Messenger Platform's error codes mean.

Source: Meta for Developers, Messenger Platform, "Error codes" (read 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from adapters.errors import Verdict
from adapters.replies import AGAIN, REFUSED, THROTTLED, Meaning, dead

_ACCOUNT: Final = dead("account_fault")
_CONTENT: Final = dead("content_refused")
MEDIA: Final = dead("media_refused")
_TOKEN: Final = dead("not_authorised")
_FETCH: Final = Meaning(Verdict.again, "media_not_ready", wait=timedelta(seconds=30))

# `CODE/SUBCODE`, a subcode alone as `/SUBCODE`, or a code alone; the first that fits. Source: "Error codes".
ERRORS: Final[Mapping[str, Meaning]] = {
    # the window
    "/2018278": dead("outside_window"),
    "/2534022": dead("outside_window"),
    "/2018338": dead("outside_window"),  # tags were abused, and are limited
    "/1893061": _CONTENT,  # a tag that is gone
    # the customer
    "/2018001": dead("recipient_unreachable"),  # nobody of that id on this Page
    "/2534014": dead("recipient_unreachable"),
    "/2018108": dead("blocked"),
    "551": dead("blocked"),
    "/1545041": dead("blocked"),
    "/2534029": dead("blocked"),
    # token, permission, configuration
    "190": _TOKEN,
    "10": _TOKEN,
    "200": _TOKEN,
    "230": _TOKEN,
    "2018247": _TOKEN,
    "/2018065": _ACCOUNT,
    "/1893063": _ACCOUNT,  # the Page is restricted
    "368": _ACCOUNT,
    "2022": _ACCOUNT,  # commerce is off
    "100/33": _ACCOUNT,
    # who holds the thread
    "/2534037": REFUSED,
    "/2534041": REFUSED,
    "/2018300": REFUSED,
    "2018300": REFUSED,
    "2018321": REFUSED,
    # content
    "100": _CONTENT,
    "/2018014": _CONTENT,
    "9000001": _CONTENT,  # the message that it answers is gone
    "/2018008": _FETCH,
    "/2018294": _FETCH,
    "/2018047": MEDIA,
    "/2018109": MEDIA,
    "/2018074": Meaning(Verdict.again, "media_not_ready", wait=timedelta(seconds=5)),  # the upload expired: a new one is made
    # slower, please
    "4": Meaning(Verdict.again, "rate_limited", wait=timedelta(minutes=1), throttles_account=True),
    "613": THROTTLED,
    "/2534040": THROTTLED,
    # passing trouble
    "1": AGAIN,
    "2": AGAIN,
    "1/1357046": Meaning(Verdict.unknown, "no_answer"),  # seen although the customer had the message
    "2018218": REFUSED,  # a profile that doesn't exist
}
