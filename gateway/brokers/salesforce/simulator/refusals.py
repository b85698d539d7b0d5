"""Salesforce's error codes, each with the HTTP status and the text that the simulator answers.

Codes and their meaning: ERRORCODES.md in github.com/salesforce-misc/interaction-service-apis; the texts here are our own. Which status goes with a code isn't
published: the statuses are inferred, so a client must go by the code alone. Neither is the code of the rate limit, whose text is: 429 here.
"""

from __future__ import annotations

from typing import Final

from gateway.brokers.salesforce.simulator.contract import OrgRefusal

RATE_LIMITED: Final = 429
READ_ONLY: Final = 10019

TEXTS: Final[dict[int, str]] = {
    RATE_LIMITED: "Interaction request rate limit exceeded",
    500: "Internal error, contact Salesforce support",
    10001: "The AuthorizationContext is not valid for this channel",
    10002: "The channel type is not valid for this channel address",
    10003: "The access token lacks the scope interaction_api",
    10004: "The access token is not valid",
    10005: "The AuthorizationContext is not valid for this access token",
    10006: "The channel provider is not valid for this channel address",
    10007: "The id of the file is empty",
    10008: "The file is larger than 25 MB",
    10009: "The file is empty or missing",
    10010: "contentLength is empty",
    10011: "The number of AttachmentInteractions differs from the number of files",
    10012: "workItemId is not valid",
    10013: "Give either capacityWeight or capacityPercentage, not both",
    10014: "capacityWeight is below zero",
    10015: "capacityPercentage is not between 0 and 100",
    10016: "A request header is missing or not valid",
    10017: "No channel has this channelAddressIdentifier",
    10018: "The conversation identifier is not valid",
    READ_ONLY: "The org is read-only while it is being migrated; retry later",
    10020: "endUserClientId is not valid",
    10021: "The consent status is not valid",
    10022: "The channel's consentOwner is not Partner",
    10023: "The channel definition has supportsKeywords set to true",
    10024: "flow requires both flowId and a fallback queueId",
    10025: "The conversation was not found for this channel",
    10026: "The channel has no ConversationChannelDefinition",
    10027: "to is not valid",
    10028: "from is not valid",
    10029: "The list of interactions is not valid",
    10030: "Give either flow or queueId in routingInfo",
    10031: "The channel is not active",
    10032: "queueId is not valid",
    10033: "errorMessage must not be given when success is true",
    10034: "errorMessage is required when success is false",
    10035: "The messaging channel is not of the type CUSTOM",
    10036: "The participant does not exist",
    10037: "This appType is not supported",
    10038: "This role is not supported",
    10039: "There are no participants",
    10042: "One participant must be the end user",
    10043: "Roles of participants can be Chatbot or EndUser only",
    10044: "Only one participant can be the end user",
    10045: "The format of a message entry is not valid",
    10046: "clientTimestamp is outside the permitted time frame",
    10047: "The message type is not valid",
    10048: "The format type is not valid",
    10049: "The message type and the format type do not go together",
    10050: "customIntegration is not valid",
    10051: "The size of the file differs from contentLength",
    10052: "The channelAddressIdentifier of the conversation is not valid",
    10053: "The participants of the conversation are not valid",
    10054: "The subject of the participant is not valid",
    10055: "A precondition of the conversation failed; retry",
    10056: "Processing of the conversation was aborted; retry",
    10057: "Conversation history is available for Bring Your Own Channel for CCaaS only",
    10058: "Customer error",
    10059: "The id of the interaction or of the message is empty",
    10060: "The id of the interaction differs from the id of the message",
    10061: "startTime of the messaging session is not valid",
    10062: "An end user can send only static content, choices responses and form responses",
    10063: "The org is not ready for history with a messagingSession",
    10064: "endTime of the messaging session is not valid",
    10065: "The end user must not have a leftTime",
    10066: "A chatbot must have a leftTime",
    10067: "joinedTime must be before leftTime",
    10068: "The sender is not one of the participants",
    10069: "The channel is not the one of the conversation",
    10070: "The AuthorizationContext does not match the conversation's channel",
    10071: "The messaging session was not found",
    10072: "The id of the messaging session is not valid",
    10073: "The message id is not unique",
    10074: "The timestamp is outside the sender's stay",
    10075: "The org is not ready for the routing type Conference",
    10076: "The org is not ready for cancelReason",
    10077: "The org is not ready for the agent action Conference",
    10078: "A parameter of the payload is not valid",
    10082: "workId is not valid",
    10083: "contextType is not valid",
    10084: "botId is not valid",
    10085: "status is not valid",
    10086: "The external bot is not valid",
    10087: "The external bot does not match the context",
    10088: "The external bot is not active",
    10089: "The parameters are not valid",
    10090: "startTime of the conversation entries is not valid",
    10091: "endTime of the conversation entries is not valid",
    10092: "limit of the conversation entries is not valid",
    10093: "AuthorizationContextType is not valid",
    10094: "A downstream service timed out; retry",
    10095: "The MIME type of the file can't be determined",
    10096: "The value of a routing attribute is too long",
    10097: "The operation on the participant is not valid",
    10098: "The progress indicator capability is empty",
    10099: "The org lacks the permission for this",
    10100: "A request body is required",
    10101: "A participant is listed twice",
    10102: "The operation on the messaging session is not valid",
    10103: "operationBy is not valid",
    10104: "No access to the MessagingSession",
    10105: "The end user was not found",
    10106: "sessionId is required for Inactivate",
    15102: "Bring Your Own Channel for CCaaS is not enabled",
    15103: "The end user has not fully opted in",
    15104: "The channel is not linked to a contact center",
    15105: "The user lacks the permission set license Partner Messaging",
    15106: "The user id is not valid",
    15107: "The conversation does not match workItemId",
    15108: "There is no service channel for the session",
    15109: "An active AgentWork exists for this user and work item",
    15110: "workItemId is not valid",
    15111: "workItemId was not found",
    15112: "The user's presence status is not tied to the channel",
    20002: "The list could not be retrieved",
    20003: "The list is empty",
    20004: "The pod was not found",
    25005: "The end user was not found for workItemId",
    25006: "The conversation was not found for workItemId",
    25007: "The conversation identifier was not found for workItemId",
}

_STATUSES: Final[dict[int, int]] = (
    {10004: 401, RATE_LIMITED: 429, 15109: 409}
    | dict.fromkeys((10003, 10005, 10099, 15105), 403)
    | dict.fromkeys((10017, 10018, 10071), 404)
    | dict.fromkeys((READ_ONLY, 10055, 10056, 10094), 503)
)


def status_of(code: int) -> int:
    """The HTTP status that goes with a code."""
    if code in _STATUSES:
        return _STATUSES[code]
    return 500 if code == 500 or 20_000 <= code < 25_000 else 400


def text_of(refusal: OrgRefusal) -> str:
    """What the refusal says."""
    return refusal.message or TEXTS.get(refusal.code, "Unknown error")
