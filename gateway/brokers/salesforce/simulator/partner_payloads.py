"""Payloads of the events that routing publishes.

Source: Salesforce's published schema of the outbound event (github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.brokers.salesforce.simulator.partner_values import Request, Talk, Wish


def interaction(
    talk: Talk,
    entry_type: str,
    content: Mapping[str, Any],
    entry_id: str,
    now: datetime,
    *,
    sender: Mapping[str, str] | None = None,
    name: str = "",
) -> tuple[str, dict[str, Any]]:
    """An Interaction event about one entry; `sender` None: the org's router."""
    millis = int(now.timestamp() * 1000)
    payload = {
        "conversationIdentifier": talk.conversation,
        "channelAddressIdentifier": talk.channel.address,
        "recipient": {"appType": "custom", "subject": talk.customer, "role": "EndUser"},
        "payload": {
            "identifier": entry_id,
            "entryType": entry_type,
            "senderDisplayName": name,
            "sender": dict(sender or {"appType": "conversation", "subject": talk.work_item, "role": "System"}),
            "clientTimestamp": millis,
            "transcriptedTimestamp": millis,
            "clientDuration": 0,
            "entryPayload": {"id": entry_id, "entryType": entry_type, **content},
        },
    }
    return "Interaction", payload


def requested(request: Request, wish: Wish, router: str) -> dict[str, Any]:
    """The payload of RoutingRequested. An external contact is named by `userId`: which member does isn't published."""
    data = {
        "eventId": request.correlation_id,
        "routerParticipantSubject": router,
        "routingType": request.routing,
        "conversationId": request.talk.conversation,
    }
    parameters: dict[str, Any] = dict.fromkeys(
        (
            "botId",
            "routingConfigId",
            "serviceChannelId",
            "isUserRequired",
            "isFallbackOnPsrNotCreated",
            "isEstimatedWaitTimeRequested",
        )
    )
    parameters |= {
        "isTransfer": request.routing == "Transfer",
        "queueId": wish.queue,
        "userId": wish.user or wish.external,
        "flowId": wish.flow,
        "skillsList": [],
        "isScrt2": True,
        "channelData": json.dumps(data),
    }
    return {
        "channelAddressIdentifier": request.talk.channel.address,
        "recipient": {"appType": "custom", "subject": request.talk.customer, "role": "EndUser"},
        "payload": {
            "conversationIdentifier": request.talk.conversation,
            "routingType": request.routing,
            "workRecordId": request.talk.work_item,
            "routingParameters": parameters,
        },
    }
