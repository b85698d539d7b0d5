"""What can go wrong in an adapter, sorted by who must act.

AdapterError
  NotAuthentic     the caller is not the provider        -> 401 or 403, nothing stored
  NotUnderstood    the bytes make no sense to us         -> the inbox keeps them for an operator
  Unsupported      the channel can't express it          -> the entry is skipped, with the reason
  SendFailed       the provider did not take it          -> again, dead or unknown, by its verdict
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class AdapterError(Exception):
    """Anything an adapter may raise; the text names the fix and never holds a secret or customer's words."""


class NotAuthentic(AdapterError):
    """The request does not prove that the provider sent it.

    `status` is 401 where no proof came and 403 where the proof is wrong. `hint` is for the operator's log
    (say, the URL that was checked), never for the caller.
    """

    def __init__(self, reason: str, *, status: int = 403, hint: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.hint = hint


class NotUnderstood(AdapterError):
    """Authentic bytes that can't be read. The gateway has stored and accepted them; they wait in the inbox, with this text as the reason, until an
    operator has them read again.
    """


class Unsupported(AdapterError):
    """The channel can't express this message, whatever is tried. It becomes `skipped`, and nothing is tried again; the text is the reason that
    a rep reads, and says what they can do instead.
    """


class Verdict(StrEnum):
    """What becomes of an outbox row after a failed attempt."""

    again = "again"  # the provider did not take it; a later try may work
    dead = "dead"  # the provider refused it for good
    unknown = "unknown"  # it may have been taken; only a retry key, a receipt or a person can settle it


class SendFailed(AdapterError):
    """The provider did not take the message, or may not have.

    `verdict` is what becomes of it. `code` is one of `replies.CODES`; a rep reads that code's sentence. `sentence` is read in its place,
    where the verdict is `dead` or `unknown` and the adapter knows more. `provider_code` is the provider's own code, `status` that of its HTTP
    answer, and `detail` its own words: operators see them, and no log holds them, since they may quote the message. `again_at` is the
    earliest time of the next try, aware (None: the sender's own backoff); a send is tried for a day at most. `throttles_account`: every
    message of this account waits, not this one alone. `remember` is merged into the conversation's memory, as `Sent.remember` is, so that
    the next message needn't learn it again (the conversation is closed, say).
    """

    holds = False  # a subclass for a broker elsewhere sets it: the row waits for a repair, however long that takes

    def __init__(
        self,
        verdict: Verdict,
        code: str,
        sentence: str | None = None,
        *,
        provider_code: str | None = None,
        status: int | None = None,
        detail: str | None = None,
        again_at: datetime | None = None,
        throttles_account: bool = False,
        remember: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {sentence}" if sentence else code)
        self.verdict = verdict
        self.code = code
        self.sentence = sentence
        self.provider_code = provider_code
        self.status = status
        self.detail = detail
        self.again_at = again_at
        self.throttles_account = throttles_account
        self.remember: Mapping[str, Any] = remember or {}
