"""The README of the project: what to do in which order, and what no file can do."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.brokers.salesforce.queries import INTEGRATION_PERMISSION_SET
from gateway.brokers.salesforce.setting_up.plan import Plan, full_name


def read_me(plan: Plan, has_certificate: bool) -> str:
    """In Markdown."""
    return "\n".join(
        [*_head(plan), *(f"{number}. {step}" for number, step in enumerate(_steps(plan, has_certificate), 1)), *_foot(plan)]
    )


def _head(plan: Plan) -> Iterable[str]:
    yield f"# {plan.app}"
    yield ""
    yield "Written by `byoc salesforce setup`. It holds what a Salesforce org needs for the gateway's channels:"
    yield ""
    if plan.event.namespace is None:
        yield f"- the platform event `{plan.event.name}` with its fields `{plan.event.type_field}` and `{plan.event.payload_field}`"
    yield from (f"- the ConversationVendorInfo `{one.name}` ({one.vendor_type})" for one in plan.vendors)
    yield from (f"- the ConversationChannelDefinition `{one.name}`" for one in plan.definitions)
    yield f"- the external client app `{plan.app}`, which signs in by JWT"
    yield f"- the permission set `{plan.permission_set}`, which may read the event and use the API"
    yield ""
    yield "## Steps"
    yield ""


def _steps(plan: Plan, has_certificate: bool) -> Iterable[str]:
    event = full_name(plan.event, plan.event.name)
    if plan.event.namespace is not None:
        yield f"Install the package with the namespace `{plan.event.namespace}`; the event `{event}` is part of it."
    yield (
        "Deploy: `sf project deploy start --manifest manifest/package.xml --target-org ALIAS` (by the manifest: not every type is recognised by its path). "
        "If a file is refused, the message names the element: remove it, or create the record in Setup."
    )
    if not has_certificate:
        yield f"In Setup, *External Client App Manager*, in the OAuth settings of `{plan.app}`, enable *JWT Bearer Flow* and upload the certificate."
    yield "In Setup, *External Client App Manager*, in the app's OAuth settings, check that *JWT Bearer Flow* and *Issue JWT-based access tokens for named users* are on. Copy the consumer key into the config (`consumer_key`)."
    yield f"Give the user `{plan.username}` the permission set: `sf org assign permset --name {plan.permission_set} --on-behalf-of {plan.username}`."
    yield (
        f"In Setup, *Permission Sets*, `{INTEGRATION_PERMISSION_SET}`, *Object Settings*, `{event}`: allow Read and Create. "
        "Without it, the org publishes nothing, and reports no error."
    )
    for key, there in plan.channels:
        yield (
            f"In Setup, *Messaging Settings*, create a channel for `{key}` with the definition `{there.definition}`; activate it, and copy its "
            f"*Channel Address Identifier* into the config (`channels.{key}.salesforce.address`)."
        )
    yield (
        "Run `byoc salesforce setup --apply`, or look with `sf data query`: each messaging channel needs a CustomMsgChannel record, with the ids of the channel and of "
        "its definition. Setup doesn't always make it."
    )
    if any(there.product == "ccaas" for _, there in plan.channels):
        yield "In Setup, *Contact Centers*, create a contact center for the vendor above, and add the messaging channels and the reps."
    if any(there.routing == "salesforce" for _, there in plan.channels):
        yield "Choose a queue or an Omni-Channel flow in each messaging channel; the queue's objects include Messaging Session."
    yield "In Setup, *Omni-Channel Settings*, enable *Skills-Based and Direct-to-Agent Routing*: conferences need it."
    yield "In each messaging channel, switch on what you want of typing and receipts. Assign reps the licence Messaging User and the permissions for messaging."
    yield "Run `byoc check --config FILE --online`."


def _foot(plan: Plan) -> Iterable[str]:
    yield ""
    yield "## What `sf project deploy` must confirm"
    yield ""
    yield "No public sample shows these, so they are inferred: the elements `isConferenceSupported`, `maxParticipantsForCnfrOverride`,"
    yield "`isInboundAcknwOptionExposed`, `isRoutingWorkResultSupported` and `isTypingIndicatorOptionHidden` of ConversationChannelDefinition, the scope's name"
    yield f"`InteractionApi`, and the length of `{plan.event.payload_field}`."
    yield ""
    yield "A public report of BYOC for Messaging with an app of the company's own says that a definition must not name a vendor. If the org refuses"
    yield "`conversationVendorInfo`, remove that line and the ConversationVendorInfo."
    yield ""
