"""A channel as the checks see it: what a plug-in's author tells them, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.conformance.cases import Case, load_cases
from adapters.conformance.secrets import rotate_all
from adapters.contract import Adapter, RawRequest


@dataclass(frozen=True)
class Subject:
    """A channel, and what the checks must know of it.

    `account` is the test account that the fixtures are signed for. `sign(request, account)` gives the request with the headers (and
    query) that the provider would send with this body, signed with the account's first secret. `proof_headers` carry the proof.
    `body_is_signed` False: the proof covers no body (Apple's token, say), so a changed body can't be told.
    `rotate` gives the account with a new secret before the old; by default every tuple of secrets is rotated. `customer` is the
    handset's owner. `skip` names checks that can't hold on this channel, each with its reason.
    """

    adapter: Adapter[Any]
    account: Any
    fixtures: Path
    sign: Callable[[RawRequest, Any], RawRequest]
    proof_headers: tuple[str, ...]
    body_is_signed: bool = True
    rotate: Callable[[Any], Any] = rotate_all
    customer: str = "kim"
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The channel's fixtures."""
        return load_cases(self.fixtures, self.adapter, self.account)

    @property
    def events(self) -> tuple[Case, ...]:
        """The fixtures that are events, not handshakes."""
        return tuple(case for case in self.cases if isinstance(case.expected, list))
