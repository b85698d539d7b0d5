"""What WhatsApp's error codes mean. The same codes come in answers to a send, and later in statuses; late ones are mostly final.

Source: Meta for Developers, WhatsApp Cloud API, "Error codes" (read 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from adapters.errors import Verdict
from adapters.replies import AGAIN, REFUSED, Meaning, dead

_ACCOUNT: Final = dead("account_fault")
_CONTENT: Final = dead("content_refused")
_TOKEN: Final = dead("not_authorised")
_SLOWER: Final = Meaning(Verdict.again, "rate_limited", wait=timedelta(minutes=1), throttles_account=True)
_MUCH_SLOWER: Final = Meaning(Verdict.again, "rate_limited", wait=timedelta(hours=1), throttles_account=True)

# Never by HTTP status alone: the rate limits come with 400. Source: "Error codes".
ERRORS: Final[Mapping[str, Meaning]] = {
    # token, permission, configuration: nothing goes out until an operator fixes it
    "0": _TOKEN,
    "190": _TOKEN,
    "10": _TOKEN,
    **{str(code): _TOKEN for code in range(200, 300)},
    "131005": _TOKEN,
    "3": _ACCOUNT,
    "33": _ACCOUNT,  # the number was deleted
    "368": _ACCOUNT,  # blocked for a breach of policy
    "130497": _ACCOUNT,  # this country isn't allowed to the business
    "131031": _ACCOUNT,  # locked
    "131037": _ACCOUNT,  # display name not approved
    "131042": _ACCOUNT,  # payment
    "131045": _ACCOUNT,  # registration
    "133010": _ACCOUNT,  # not registered
    "131030": _ACCOUNT,  # a test number, and the customer not among its five
    # slower, please
    "4": _SLOWER,  # calls of the app
    "80007": _SLOWER,  # of the business account
    # Of the number; and too many to this one customer. Late, too, they say that nothing was delivered, and pass by themselves.
    "130429": Meaning(Verdict.again, "rate_limited", throttles_account=True, late_wait=timedelta(minutes=1)),
    "131056": Meaning(Verdict.again, "rate_limited", wait=timedelta(seconds=6), late_wait=timedelta(seconds=30)),
    "131048": _MUCH_SLOWER,  # too many were reported as spam
    "131064": _MUCH_SLOWER,
    "133016": _MUCH_SLOWER,  # registration calls
    "131057": Meaning(Verdict.again, "provider_unavailable", wait=timedelta(minutes=5), throttles_account=True),  # maintenance
    # passing trouble
    "1": AGAIN,
    "2": AGAIN,
    "131000": AGAIN,
    "131016": AGAIN,
    "133000": AGAIN,
    "133004": AGAIN,
    # The upload failed on their side; late, they had it and can't show it.
    "131053": Meaning(Verdict.again, "media_not_ready", wait=timedelta(seconds=30), late_code="media_refused"),
    # window and consent
    "131047": dead("outside_window"),
    "131049": dead("filtered"),  # held back for the ecosystem's health
    "131050": dead("opted_out"),  # of marketing
    "130472": dead("filtered"),  # the customer is part of an experiment
    "131063": dead("filtered"),
    # recipient and content
    "131026": dead("recipient_unreachable"),  # also a customer who blocked the business; Meta doesn't say which
    "131021": dead("recipient_unreachable"),  # to ourselves
    "131062": _CONTENT,  # not to a business-scoped id
    "100": _CONTENT,
    "100/33": _ACCOUNT,  # no such number, or not this token's
    "131008": _CONTENT,
    "131009": _CONTENT,
    "131051": _CONTENT,
    "131052": dead("media_refused"),
    "135000": REFUSED,
    "137000": dead("recipient_unreachable"),  # the identity hash is no longer the customer's
    # templates
    "132000": _CONTENT,
    "132001": _ACCOUNT,
    "132005": dead("too_long"),
    "132007": _CONTENT,
    "132012": _CONTENT,
    "132015": _ACCOUNT,  # paused
    "132016": _ACCOUNT,  # disabled
    "132068": _ACCOUNT,
    "132069": _SLOWER,
    # groups, which we don't write to
    **{str(code): REFUSED for code in (131020, 131041, *range(131201, 131216))},
}
