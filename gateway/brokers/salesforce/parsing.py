"""Platform events → values. What may reach a customer is decided here: by an allow-list, and everything else is `Internal`."""

from __future__ import annotations

from adapters.contract import RawRequest
from gateway.brokers.salesforce.events import AnyOrgEvent
from gateway.config.salesforce import SalesforceOrg


def parse(request: RawRequest, *, lane: str, org: SalesforceOrg) -> list[AnyOrgEvent]:
    """The events of one platform event (one, as Salesforce publishes them). `headers`: `event-id`, `replay-id` (hex), `event-type`; `body`: the payload field's JSON.

    `RepSaid` comes only of `entryType: Message` (both times that the event says it) with an `abstractMessage`, addressed to an end user: `recipient.role` is EndUser,
    and where `recipients` names anybody, the customer is among `primary` or `secondary`. The sender is an Agent, Supervisor, Chatbot, DigitalWorker
    or System; a Router's words count only with a `messageReason`. All else with words in it is `Internal`.

    Raises NotUnderstood, which names the replay position, for what is not JSON or has no channel address. Nothing else is ever raised.
    """
    raise NotImplementedError
