"""Calls to the Interaction Service: one row of the outbox becomes the token that it needs, the ids that it lacks, and one call.

`Call.operation` and `Call.body` (what is left out of a body is filled in here: ids from `retry_key`, times from `created_at`, addresses from `to`, and
from `memory` the conversation and the work item; what `requests.MAY_ASK` names asks `/conversation` first where they aren't known):

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
| `agent_work` | `{"userId", "routingType"?, "routingCorrelationId"? (or both in "routingContext"), "capacityWeight"?, "capacityPercentage"?, "agentActionVisibilities"?}` | POST /agentWork |
| `close_agent_work` | `{"status", "workId"? or "userId"?}` | PATCH /agentWork |
| `routing_result` | `{"success", "externallyRouted"?, "routingType"?, "errorMessage"?}` | POST /routingResult |
| `participant` | `{"subject"}`, the rep's user id, or `{"participants"}` | POST /participant |

Any member of the endpoint's own may be given too, and counts before what is filled in.

Remembered (`Sent.remember`): `conversation` (conversationIdentifier), `work_item` (id of the MessagingSession), of /route `routing_correlation` and `psr`, of
/agentWork `agent_work` and `agent_work:USER`, each None once it no longer holds. Source: Salesforce's published schema of the Interaction Service
(github.com/salesforce-misc/interaction-service-apis).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from adapters.contract import Flow, HttpCall, HttpReply, NoReply, Sent
from adapters.envelope import OutboundFile
from adapters.errors import SendFailed, Verdict
from adapters.reading import answer_of, list_of, optional
from gateway.brokers.salesforce import codes, requests
from gateway.brokers.salesforce.multipart import form
from gateway.brokers.salesforce.requests import Missing, Request
from gateway.brokers.salesforce.tokens import Tokens
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.store.contract import Call

_FILE_SECONDS: Final = 60.0


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
    return (yield from _Sending(call, file, org, channel, tokens, now).run())


@dataclass(slots=True)
class _Sending:
    """One try of one row."""

    call: Call
    file: OutboundFile | None = field(repr=False)
    org: SalesforceOrg
    channel: SalesforceChannel
    tokens: Tokens
    now: datetime
    learned: dict[str, Any] = field(default_factory=dict)  # of this try, to be remembered whatever becomes of it
    tries: int = 0

    def run(self) -> Flow[Sent]:
        asks = self.call.operation in requests.MAY_ASK
        while True:
            try:
                request = self._request()
            except Missing:
                if not asks:
                    return self._without_conversation()
                asks = False
                yield from self._find_conversation()
                continue
            reply = yield from self._made(request, visible=True)
            if codes.worked(reply) or self._is_done_already(reply):
                return self._sent(reply)
            if not (asks and request.uses_ids and codes.code_of(reply) in codes.STALE):
                raise codes.failure(reply, self.now, remember=self.learned)
            # The ids were of a conversation that is no more. Nothing was done with them, so it is asked for, and the call made again.
            asks = False
            yield from self._find_conversation()

    def _request(self) -> Request:
        """Raises Missing when an id isn't known, SendFailed for what Salesforce can't be asked at all."""
        known = {**self.call.memory, **self.learned}
        return requests.request_of(self.call, known, file=self.file, address=self.channel.address)

    def _find_conversation(self) -> Flow[None]:
        """Get or create it: the same ids each time, so that it may be asked twice."""
        request = requests.conversation(self.call, {}, self.channel.address)
        reply = yield from self._made(request, visible=False)
        if not codes.worked(reply):
            raise codes.failure(reply, self.now, remember=self.learned)
        self.learned |= {"work_item": None, **_ids(answer_of(reply))}

    def _without_conversation(self) -> Sent:
        """An id isn't known, and asking for it doesn't help, or would open a session that nobody wants."""
        if self._ends:
            return Sent(remember=self.learned)  # there is none to end
        if self.learned:
            raise SendFailed(Verdict.again, "provider_unavailable", provider_code="no_ids", remember=self.learned)
        raise SendFailed(Verdict.dead, "refused", codes.RULINGS["10018"].fix, provider_code="10018")

    @property
    def _ends(self) -> bool:
        return self.call.operation == "session" and self.call.body.get("operation") == "End"

    def _made(self, request: Request, *, visible: bool) -> Flow[HttpReply]:
        """Its answer, with a live token; one that is refused is renewed once."""
        token = yield from self.tokens.bearer(self.now)
        reply = yield from self._asked(request, token, visible=visible)
        if codes.token_refused(reply):
            token = yield from self.tokens.bearer(self.now, refused=token)
            reply = yield from self._asked(request, token, visible=visible)
        return reply

    def _asked(self, request: Request, token: str, *, visible: bool) -> Flow[HttpReply]:
        self.tries += 1
        try:
            return (yield self._http(request, token, visible=visible))
        except NoReply as lost:
            if not lost.sent:
                raise
            # Not `unknown`: an answer that is lost is asked for again, under the same entry id.
            raise SendFailed(Verdict.again, "provider_unavailable", provider_code="no_answer", remember=self.learned) from lost

    def _http(self, request: Request, token: str, *, visible: bool) -> HttpCall:
        content = json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        kind = "application/json"
        if request.path == "interactions":
            kind, content = form(content, request.file, seed=self.call.retry_key)
        headers = {
            "content-type": kind,
            "accept": "application/json",
            "Authorization": f"Bearer {token}",
            "OrgId": self.org.org_id[:15],
            "AuthorizationContext": self.channel.definition,
            "AuthorizationContextType": "ConversationChannelDefinition",
            "RequestId": self._request_id(),
        }
        seconds = _FILE_SECONDS if request.file is not None else 15.0
        url = f"{self.org.scrt_url}/api/v1/{request.path}"
        return HttpCall(request.method, url, headers, content, visible=visible, timeout_seconds=seconds, proxy=self.org.proxy)

    def _request_id(self) -> str:
        """Another one for each request: it is for tracing, and the entry's id is what stays the same."""
        return str(uuid.uuid5(requests.namespace(self.call), f"request {self.now.isoformat()} {self.tries}"))

    def _is_done_already(self, reply: HttpReply) -> bool:
        return self._ends and codes.code_of(reply) in codes.ALREADY_ENDED

    def _sent(self, reply: HttpReply) -> Sent:
        body = answer_of(reply)
        remember = {**self.learned, **_ids(body), **_of_routing(self.call, body)}
        if self._ends:
            remember |= {"work_item": None}
        ids = (requests.entry_id(self.call),) if self.call.operation == "interaction" else ()
        return Sent(ids, remember)


def _ids(body: Mapping[str, Any]) -> dict[str, Any]:
    """The conversation and the work item that an answer names. Prose and schema differ in the latter's name."""
    items = [item for item in list_of(body.get("workItemIds")) if isinstance(item, str) and item]
    work_item = items[0] if items else optional(body, "workItemId") or optional(body, "messagingSessionId")
    found = {"conversation": optional(body, "conversationIdentifier"), "work_item": work_item}
    return {name: value for name, value in found.items() if value is not None}


def _of_routing(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    if call.operation == "route":
        return {"routing_correlation": optional(body, "routingCorrelationId"), "psr": optional(body, "psrId")}
    if call.operation == "unroute":
        return {"routing_correlation": None, "psr": None}
    if call.operation == "agent_work":
        work = optional(body, "agentWorkId")
        return {"agent_work": work, f"agent_work:{call.body.get('userId')}": work}
    if call.operation == "close_agent_work":
        user = call.body.get("userId")
        return {"agent_work": None, **({f"agent_work:{user}": None} if user else {})}
    return {}
