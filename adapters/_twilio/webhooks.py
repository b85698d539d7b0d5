"""How the simulated Twilio calls us: signed forms, and the retries that an address asks for.

By default a webhook is repeated once, and only where no connection came about; an answer of 4xx or 5xx, or none in time, is final.
The fragment of the address changes that: `#rc=5&rp=all`. Source: Twilio, "Connection Overrides".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qs, urlencode

from adapters._twilio.account import TwilioAccount
from adapters._twilio.ledger import Ids
from adapters._twilio.signature import SignedFields, compute
from adapters.contract import Answer
from adapters.simulation import ProviderCall, hex_of

MAX_RETRIES: Final = 5
Line: TypeAlias = tuple[str, str]  # address and id of the line on a handset that a webhook is about


@dataclass
class _UnderWay:
    overrides: Mapping[str, str]
    line: Line | None


class Webhooks:
    """The calls under way, by their ids."""

    def __init__(self, account: TwilioAccount, ids: Ids) -> None:
        self._account = account
        self._ids = ids
        self._under_way: dict[str, _UnderWay] = {}

    def make(
        self, url: str, fields: Mapping[str, str], *, lane: str, delay: float = 0, line: Line | None = None, token: int = 0
    ) -> ProviderCall:
        """A signed call to that address; `token` picks the account's token that signs."""
        address, _, fragment = url.partition("#")
        call_id = f"call{self._ids.next()}"
        overrides = {name: values[0] for name, values in parse_qs(fragment).items()}
        self._under_way[call_id] = _UnderWay(overrides, line)
        secret = self._account.auth_tokens[token].get_secret_value()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Accept": "*/*",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": hex_of(f"{self._account.account_sid} {call_id}", 32),
            "X-Twilio-Signature": compute(secret, address, SignedFields(fields.items())),
        }
        return ProviderCall(call_id, "POST", address, headers, urlencode(fields).encode(), lane=lane, delay_seconds=delay)

    def settled(self, call: ProviderCall, answer: Answer | None) -> tuple[Literal["taken", "again", "lost"], Line | None]:
        """What became of a call, and the line that it was about; `again`: to be repeated."""
        known = self._under_way.get(call.id.partition(".")[0])
        if known is None:
            return "lost", None
        if answer is not None and 200 <= answer.status < 300:
            return "taken", known.line
        again = _covers(known.overrides, answer) and call.attempt <= _retries(known.overrides)
        return ("again" if again else "lost"), known.line


def repeated(call: ProviderCall) -> ProviderCall:
    """The same call once more: same bytes, same signature, same token."""
    attempt = call.attempt + 1
    call_id = f"{call.id.partition('.')[0]}.{attempt}"
    return replace(call, id=call_id, attempt=attempt, delay_seconds=min(2.0 ** (call.attempt - 1), 8.0))


def _covers(overrides: Mapping[str, str], answer: Answer | None) -> bool:
    """No answer at all may be a refused connection or a late answer; it counts as either."""
    policy = overrides.get("rp", "ct").split(",")
    happened = ("ct", "rt") if answer is None else (f"{answer.status // 100}xx",)
    return "all" in policy or any(one in policy for one in happened)


def _retries(overrides: Mapping[str, str]) -> int:
    count = overrides.get("rc", "1")
    return min(int(count), MAX_RETRIES) if count.isdecimal() else 1
