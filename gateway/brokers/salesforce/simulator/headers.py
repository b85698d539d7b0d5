"""The headers that every call to the Interaction Service has.

| header | wrong | code |
| --- | --- | --- |
| Authorization | missing, unknown or expired | 10004 |
| Authorization | without the scope interaction_api | 10003 |
| OrgId | missing, or another org's; 15 or 18 characters | 10016 |
| RequestId | missing, or not a UUID | 10016 |
| AuthorizationContext | missing | 10016 |
| AuthorizationContext | no ConversationChannelDefinition of the app | 10005; of an external bot: 10086 |
| AuthorizationContextType | missing where it is required, or of another kind; in any case | 10093 |
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from gateway.brokers.salesforce.simulator.contract import INTERACTION_SCOPE, Org, OrgRefusal, Tokens

_CHANNELS: Final = "conversationchanneldefinition"
_BOTS: Final = "externalconversationparticipant"


def read(headers: Mapping[str, str], type_required: bool, bots: bool, tokens: Tokens, org: Org) -> str:
    """The AuthorizationContext: a channel definition's developer name. Raises OrgRefusal."""
    kind, _, token = headers.get("Authorization", "").partition(" ")
    session = tokens.check(token.strip()) if kind == "Bearer" else None
    if session is None:
        raise OrgRefusal(10004)
    if INTERACTION_SCOPE not in session.scopes:
        raise OrgRefusal(10003)
    org_id = headers.get("OrgId", "")
    if len(org_id) not in (15, 18) or org_id[:15] != org.id[:15]:
        raise OrgRefusal(10016, "OrgId is missing or not this org's id")
    try:
        uuid.UUID(headers.get("RequestId", ""))
    except ValueError:
        raise OrgRefusal(10016, "RequestId is missing or not a UUID") from None
    return _context(headers, type_required, bots, org)


def _context(headers: Mapping[str, str], type_required: bool, bots: bool, org: Org) -> str:
    context = headers.get("AuthorizationContext", "")
    if not context:
        raise OrgRefusal(10016, "AuthorizationContext is missing")
    kind = headers.get("AuthorizationContextType")
    if (kind is None and type_required) or (kind is not None and kind.lower() != (_BOTS if bots else _CHANNELS)):
        raise OrgRefusal(10093)
    if bots:
        raise OrgRefusal(10086)
    if context not in org.definitions:
        raise OrgRefusal(10005)
    return context
