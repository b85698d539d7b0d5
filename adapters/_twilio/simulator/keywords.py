"""The words that Twilio answers by itself, and what it says then (the simulated one).

Source: Twilio, "Customize users' opt-in and opt-out experience with Advanced Opt-Out".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STOP: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START: Final = frozenset({"start", "unstop", "yes"})
HELP: Final = frozenset({"help", "info"})
REPLIES: Final[Mapping[str, str]] = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


def keyword(text: str) -> str:
    """STOP, START or HELP, if the whole text is such a word; else nothing."""
    word = text.strip().lower()
    kinds = {"STOP": STOP, "START": START, "HELP": HELP}
    return next((kind for kind, words in kinds.items() if word in words), "")
