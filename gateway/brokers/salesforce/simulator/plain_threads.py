"""What the plain org keeps of its conversations. See `plain_org`."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.brokers.salesforce.simulator.contract import Acknowledged, Conversation, CustomerSays, HistoryEntry


@dataclass(slots=True)
class Session:
    """A MessagingSession. `status`: as SessionStatusChanged has it."""

    id: str
    status: str = "Waiting"
    reps: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Thread:
    """A conversation with all that was said in it. `entries`: in order, those of customers as CustomerSays, of history as HistoryEntry."""

    id: str
    address: str
    customer: str
    sessions: list[Session] = field(default_factory=list)
    entries: list[CustomerSays | HistoryEntry] = field(default_factory=list)
    receipts: list[Acknowledged] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    typing: bool = False
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> Session | None:
        """The session that hasn't ended."""
        return self.sessions[-1] if self.sessions and self.sessions[-1].status != "Ended" else None

    @property
    def value(self) -> Conversation:
        """As REST sees it."""
        return Conversation(self.id, self.address, self.customer, self.sessions[-1].id if self.sessions else None)
