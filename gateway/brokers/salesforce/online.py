"""`byoc check --online`: asks each org whether it is set up as the config says. It reads, and changes nothing.

In this order, since each needs the ones before: a token, whose it is, the runtime's address, the event, who may publish it, the stream, and for each channel its definition,
vendor, switches and messaging channel.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from adapters.contract import Flow, HttpCall, NoReply
from adapters.errors import SendFailed
from gateway.brokers.salesforce import findings, queries
from gateway.brokers.salesforce.findings import Finding
from gateway.brokers.salesforce.inspecting import Calls, Inspector, OrgUnavailable, Unseen
from gateway.brokers.salesforce.queries import INTEGRATION_PERMISSION_SET
from gateway.brokers.salesforce.setting_up.plan import connector_url
from gateway.brokers.salesforce.tokens import BadKey, Tokens, load_keys
from gateway.clock import Clock
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.config.salesforce_checks import pem_of

Runs: TypeAlias = Callable[[Flow[str]], Awaitable[str]]
"""Runs a flow of calls; the gateway's driver is the one that is used."""
Channels: TypeAlias = Mapping[str, SalesforceChannel]


async def check(
    org: SalesforceOrg, channels: Channels, public_url: str, call: Calls, run: Runs, clock: Clock
) -> AsyncIterator[tuple[str, Finding]]:
    """Findings in order, each with the channel that it is about; empty for the org as a whole. `public_url`: the gateway's."""
    try:
        keys = load_keys([pem_of(key) for key in org.private_keys])
        token = await run(Tokens(org, keys).bearer(clock()))
    except (BadKey, SendFailed) as refused:
        yield "", _no_token(org, refused)
        return
    inspector = Inspector(call, org, token)
    try:
        async for finding in _org(inspector, org, call):
            yield "", finding
        async for finding in _stream(org, token):
            yield "", finding
        for key, there in channels.items():
            async for finding in _channel(inspector, org, there, connector_url(public_url)):
                yield key, finding
    except OrgUnavailable as unavailable:
        yield "", findings.fault(str(unavailable), "Nothing further was checked.")


def _no_token(org: SalesforceOrg, refused: BadKey | SendFailed) -> Finding:
    if isinstance(refused, SendFailed) and refused.code == "provider_unavailable":
        return findings.fault(
            f"{org.login_url} doesn't answer", "Check `login_url`, `proxy` and the firewall, or try again later."
        )
    return findings.fault("no token", str(refused))


# ------------------------------------------------------------------------------------------------------------------ org


async def _org(inspector: Inspector, org: SalesforceOrg, call: Calls) -> AsyncIterator[Finding]:
    reply = await inspector.get("/services/oauth2/userinfo")
    if reply.status == 200:
        for finding in findings.of_user(org, _object(reply.body)):
            yield finding
    else:
        yield findings.unseen("whose token it is", f"userinfo answers {reply.status}")
    yield await _runtime(org, call)
    try:
        for finding in findings.of_event(org, await inspector.fields_of(org.event)):
            yield finding
    except Unseen as why:
        yield findings.unseen(f"the fields of {org.event}", why)
    yield await _publisher(inspector, org)


async def _runtime(org: SalesforceOrg, call: Calls) -> Finding:
    """Any answer will do: what is asked there by a gateway has an effect."""
    try:
        await call(HttpCall("GET", f"{org.scrt_url}/", proxy=org.proxy))
    except NoReply as lost:
        return findings.fault(f"{org.scrt_url} doesn't answer ({lost})", "Check `scrt_url`, `proxy` and the firewall.")
    return findings.ok(f"{org.scrt_url} answers")


async def _publisher(inspector: Inspector, org: SalesforceOrg) -> Finding:
    name = INTEGRATION_PERMISSION_SET
    what = f"whether {name} may publish {org.event}"
    try:
        found = await inspector.one(queries.permission_set(name))
        if found is None:
            return findings.unseen(what, f"there is no permission set {name}, or this user may not see it")
        allowed = await inspector.one(queries.object_permissions(str(found.get("Id")), org.event))
    except Unseen as why:
        return findings.unseen(what, why)
    return findings.of_publisher(org, name, allowed)


async def _stream(org: SalesforceOrg, token: str) -> AsyncIterator[Finding]:
    """Whether the event can be subscribed to. gRPC is loaded here, and only here."""
    topic = f"/event/{org.event}"
    try:
        from gateway.brokers.salesforce.connection import Connection
    except ModuleNotFoundError as missing:
        yield findings.unseen(
            f"whether {topic} can be subscribed to", f"install byoc-gateway[salesforce] ({missing.name} is missing)"
        )
        return
    from gateway.brokers.salesforce.stream_codes import Ended

    try:
        connection = Connection(org, token)
    except Ended as ended:
        yield findings.fault(f"{org.pubsub_endpoint} can't be called", str(ended))
        return
    try:
        schema_id = await connection.check(topic)
        yield findings.ok(f"{topic} can be subscribed to at {org.pubsub_endpoint}")
        schema = _object((await connection.schema(schema_id)).encode())
        names = frozenset(str(field.get("name")) for field in schema.get("fields") or () if isinstance(field, dict))
        for finding in findings.of_schema(org, names):
            yield finding
    except Ended as ended:
        yield findings.fault(f"{topic} can't be subscribed to at {org.pubsub_endpoint}", str(ended))
    finally:
        await connection.close()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# -------------------------------------------------------------------------------------------------------------- channels


async def _channel(inspector: Inspector, org: SalesforceOrg, there: SalesforceChannel, connector: str) -> AsyncIterator[Finding]:
    async for finding in _definition(inspector, org, there, connector):
        yield finding
    try:
        found = await inspector.one(queries.messaging_channel(there.address))
    except Unseen as why:
        yield findings.unseen(f"the messaging channel with the address {there.address}", why)
        return
    yield findings.of_messaging_channel(there, found)
    if found is None:
        return
    channel_id = str(found.get("Id"))
    try:
        yield findings.of_channel_definition(there, await inspector.one(queries.definition_of_channel(channel_id)) or {})
    except Unseen as why:
        yield findings.unseen("with which definition the messaging channel was made", why)
    if there.product == "ccaas":
        try:
            yield findings.of_contact_center(await inspector.one(queries.contact_center(channel_id)))
        except Unseen as why:
            yield findings.unseen("whether the messaging channel belongs to a contact center", why)
    try:
        for finding in findings.of_custom_channel(there, await inspector.one(queries.custom_channel(channel_id))):
            yield finding
    except Unseen as why:
        yield findings.unseen("the messaging channel's switches for typing and receipts", why)


async def _definition(
    inspector: Inspector, org: SalesforceOrg, there: SalesforceChannel, connector: str
) -> AsyncIterator[Finding]:
    try:
        record = await inspector.one(queries.definition(there.definition))
    except Unseen as why:
        yield findings.unseen(f"the ConversationChannelDefinition {there.definition}", why)
        return
    for finding in findings.of_definition(org, there, record):
        yield finding
    if record is None:
        return
    try:
        conferences = await inspector.one(queries.definition_of_conferences(there.definition))
        yield findings.of_conferences(there, conferences or {})
    except Unseen as why:
        yield findings.unseen(f"whether {there.definition} supports conferences", why)
    try:
        for finding in findings.of_switches(there, await inspector.one(queries.definition_of_switches(there.definition)) or {}):
            yield finding
    except Unseen as why:
        yield findings.unseen(f"the switches of {there.definition}", why)
    try:
        vendor = await _vendor_of(inspector, there)
        yield findings.of_vendor(there, vendor, await inspector.one(queries.vendor(vendor)) if vendor else None)
        if vendor and there.routing == "partner":
            yield findings.of_connector(vendor, connector, await inspector.one(queries.connector(vendor)) or {})
    except Unseen as why:
        yield findings.unseen(f"the type of {there.definition}'s vendor", why)


async def _vendor_of(inspector: Inspector, there: SalesforceChannel) -> str:
    """The developer name of the definition's vendor, or its record id. Raises Unseen."""
    try:
        record = await inspector.one(queries.definition_of_vendor(there.definition))
    except Unseen:
        record = await inspector.one(queries.definition_of_vendor_id(there.definition))
    return str(next((value for key, value in (record or {}).items() if key.startswith("ConversationVendorInfo")), "") or "")
