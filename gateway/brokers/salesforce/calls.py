"""Calls to the Interaction Service: one row of the outbox becomes the token that it needs, the ids that it lacks, and one call.

`Call.operation` and `Call.body` (what is left out of a body is filled in here: ids from `retry_key`, times from `created_at`, addresses from `to`, and
from `memory` the conversation and the work item, for which `/conversation` is asked first where they aren't known):

| operation | body | endpoint |
|---|---|---|
| `interaction` | an interaction as `formats.interactions` gives it; `routingAttributes` may be beside its members | POST /interactions |
| `acknowledgement` | `{"acknowledgements": [{"acknowledgementType", "acknowledgedConversationEntryIdentifier", "acknowledgementTimestamp"?}]}` | POST /acknowledgement |
| `conversation` | `{}`, or `{"routingAttributes"}` | POST /conversation |
| `history` | `{"conversationParticipants", "conversationEntries"}` as `history.portions` gives it | POST /conversationHistory |
| `session` | `{"operation": "End" or "Inactivate", "operationBy"?}` | POST /messagingSession |
| `consent` | `{"consentStatus"}` | PATCH /consent |
| `capabilities` | as `capabilities.body` gives it | PATCH /capabilities |
| `route` | `{"routingType", "routingInfo"?}` | POST /route |
| `unroute` | `{"cancelReason"?}` | DELETE /route |
| `agent_work` | `{"userId", "routingType"?, "routingCorrelationId"?, "capacityWeight"?, "capacityPercentage"?, "agentActionVisibilities"?}` | POST /agentWork |
| `close_agent_work` | `{"status", "workId"? or "userId"?}` | PATCH /agentWork |
| `routing_result` | `{"success", "externallyRouted"?, "routingType"?, "errorMessage"?}` | POST /routingResult |
| `participant` | `{"subject"}`: the rep's user id | POST /participant |

Remembered (`Sent.remember`): `conversation` (conversationIdentifier), `work_item` (id of the MessagingSession), of /route `routing_correlation` and `psr`, of
/agentWork `agent_work` and `agent_work:USER`, each None once it no longer holds. Source: Salesforce's published schema of the Interaction Service
(github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

from datetime import datetime

from adapters.contract import Flow, Sent
from adapters.envelope import OutboundFile
from gateway.brokers.salesforce.tokens import Tokens
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.store.contract import Call


def send(
    call: Call,
    *,
    file: OutboundFile | None,
    org: SalesforceOrg,
    channel: SalesforceChannel,
    tokens: Tokens,
    now: datetime,
) -> Flow[Sent]:
    """Make the call. `file` has the bytes for an AttachmentInteraction; `channel` is that of `call.about`.

    `Sent.message_ids` is the entry's id for an `interaction`: MessageUpdated and receipts name it. Raises SendFailed by Salesforce's code; `codes.OrgFault` where the org is at fault. A lost answer is
    `again`: the next try has the same entry id. Only the last call has an effect that a repetition could double.
    """
    raise NotImplementedError
    yield
