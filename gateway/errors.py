"""What can go wrong in the gateway, sorted by who must act.

    GatewayError
      ConfigFaults        the config is wrong: all faults at once, exit 1
      CannotStart         what the config names can't work, and waiting doesn't help: exit 1
      StoreUnavailable    the disk or database fails: 503, and /readyz says so
        PutOff            it could be stored, but too much waits already: 503, to be sent again
        Fenced            the others took this process for dead, and do its work: what it had in progress is dropped
      BrokerUnavailable   the session broker can't be reached: the row waits
    BadCursor             the caller's: the cursor is not a cursor of this list
The code that raises StoreUnavailable or BrokerUnavailable reports it once (`gateway.outage`). The code that catches them answers or waits, and logs nothing.
A rule's refusal is not an error but a value: `gateway.session.decision.Refusal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class GatewayError(Exception):
    """Anything the gateway raises by itself."""


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One fault of the config: its place, what is wrong, and how to fix it."""

    place: str
    fault: str
    fix: str

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}. {self.fix}"


class ConfigFaults(GatewayError):
    """All that is wrong with a config."""

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class CannotStart(GatewayError):
    """What the config names can't work, and waiting doesn't help."""


class StoreUnavailable(GatewayError):
    """Nothing can be made durable now."""


class PutOff(StoreUnavailable):
    """A webhook isn't kept now, because too much waits already; the provider sends it again."""


class Fenced(StoreUnavailable):
    """The other processes have taken this one for dead, so it may not write what it had in progress. It comes back under a new name."""


class BadCursor(Exception):
    """The cursor is not a cursor of this list."""


class BrokerUnavailable(GatewayError):
    """The session broker can't take work now."""


def without_s3(missing: ModuleNotFoundError) -> GatewayError:
    """The error to raise, from the other, when the package that files in a bucket need isn't there."""
    return GatewayError(f"`media: s3://…` needs a package that is not installed ({missing.name}): install byoc-gateway[s3]")


def without_salesforce(missing: ModuleNotFoundError) -> GatewayError:
    """The error to raise, from the other, when the packages that Salesforce needs aren't there."""
    return GatewayError(f"Salesforce needs packages that are not installed ({missing.name}): install byoc-gateway[salesforce]")


def without_postgresql(missing: ModuleNotFoundError) -> GatewayError:
    """The error to raise, from the other, when the package that a PostgreSQL store needs isn't there."""
    return GatewayError(
        f"a PostgreSQL store needs a package that is not installed ({missing.name}): install byoc-gateway[postgresql]"
    )


def without_nats(missing: ModuleNotFoundError) -> GatewayError:
    """The error to raise, from the other, when the package that `inbox: nats://…` needs isn't there."""
    return GatewayError(f"`inbox: nats://…` needs a package that is not installed ({missing.name}): install byoc-gateway[nats]")
