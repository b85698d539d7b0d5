"""Settings of Salesforce as a session broker: how an org is reached, and what a channel is called there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.forms import Unfit, is_host, origin, parts_of_url
from gateway.config.ground import Settings, secure_url
from gateway.session.model import Login

_RECORD_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_API_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MOST_EVENTS: Final = 1_000_000_000


def _record_id(prefix: str, what: str) -> Callable[[str], str]:
    """Salesforce's ids begin with three letters that say what they are ids of."""

    def checked(value: str) -> str:
        if not _RECORD_ID.fullmatch(value):
            raise Unfit("is not a Salesforce record id", "Copy its 15 or 18 letters and digits from the record's address.")
        if not value.startswith(prefix):
            raise Unfit(f"is not the id of {what}", f"Copy the id of {what}; it begins with {prefix}.")
        return value

    return checked


def _api_name(value: str) -> str:
    if not _API_NAME.fullmatch(value):
        raise Unfit("is not an API name", "Copy the developer name: letters, digits and underscores.")
    return value


def _event(value: str) -> str:
    if not _api_name(value).endswith("__e"):
        raise Unfit("is not a platform event", "Write its API name, which ends in __e.")
    return value


def _origin(value: str) -> str:
    return secure_url(value).rstrip("/")


def _frame(value: str) -> str:
    """An origin and nothing else, since it becomes a part of a header."""
    return origin(secure_url(value))


def _proxy(value: str) -> str:
    scheme, _, rest = value.partition("://")
    bare = f"{scheme}://{rest.rpartition('@')[2]}"  # proxies do have users and passwords
    parts = parts_of_url(bare, "http")
    if f"{parts.scheme}://{parts.netloc}" != bare.rstrip("/"):
        raise Unfit("has more than scheme, host and port", "Write it like http://proxy.example.com:3128.")
    return value.rstrip("/")


def _host_pattern(value: str) -> str:
    name = value.removeprefix("*.")
    if not is_host(name) or "." not in name or value != value.lower() or ":" in value:
        raise Unfit(
            "is not a host name", "Write a host name in lower case, such as files.example.com, or *.example.com for all below it."
        )
    return value


def _endpoint(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not is_host(host) or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Unfit("is not a host with a port", "Write it like api.pubsub.salesforce.com:7443.")
    return value


OrgId: TypeAlias = Annotated[str, AfterValidator(_record_id("00D", "an org"))]
UserId: TypeAlias = Annotated[str, AfterValidator(_record_id("005", "a user"))]
QueueId: TypeAlias = Annotated[str, AfterValidator(_record_id("00G", "a queue"))]
FlowId: TypeAlias = Annotated[str, AfterValidator(_record_id("300", "a flow"))]
ApiName: TypeAlias = Annotated[str, AfterValidator(_api_name)]
OrgUrl: TypeAlias = Annotated[str, AfterValidator(_origin)]


class SalesforceOrg(Settings):
    """A Salesforce org, production or sandbox; the key is its name here."""

    org_id: OrgId = Field(description="The org's id: Setup, Company Information. 15 or 18 characters.")
    login_url: OrgUrl = Field(
        default="https://login.salesforce.com",
        description="Where tokens are issued: https://login.salesforce.com, for a sandbox https://test.salesforce.com, or the org's own domain.",
    )
    instance_url: OrgUrl = Field(description="The org's own address, such as https://example.my.salesforce.com.")
    scrt_url: OrgUrl = Field(
        description="The address of its messaging runtime, such as https://example.my.salesforce-scrt.com; for a sandbox, copy it from Setup."
    )
    pubsub_endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        default="api.pubsub.salesforce.com:7443",
        description="Host and port of the Pub/Sub API; in the EU api.deu.pubsub.salesforce.com:7443. Port 443 works, too.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="A file of certificates to trust for Pub/Sub in place of those that gRPC brings along; for tests and for proxies that look into TLS.",
    )
    proxy: Annotated[str, AfterValidator(_proxy)] | None = Field(
        default=None,
        repr=False,
        description="HTTP proxy for both REST and Pub/Sub, such as http://proxy.example.com:3128, with user and password if it needs them. null: none.",
    )
    consumer_key: str = Field(min_length=1, description="The consumer key of the external client app.")
    username: str = Field(min_length=1, description="The Salesforce user that the gateway signs in as.")
    private_keys: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="Private keys (PEM, or `file:` and a path) whose certificates the app knows. The first one signs; while a key is being replaced, the next is used when the first is refused.",
    )
    api_version: Annotated[str, Field(pattern=r"^\d{2,3}\.0$")] = Field(
        default="66.0", description="Version of the REST API for set-up checks."
    )
    event: Annotated[str, AfterValidator(_event)] = Field(description="The platform event's API name, such as byoc__Message__e.")
    event_type_field: ApiName = Field(description="Its field with the kind of event, such as byoc__EventType__c.")
    event_payload_field: ApiName = Field(description="Its field with the payload, such as byoc__Payload__c.")
    requests_per_second: float = Field(
        default=2_000, gt=0, le=2_000, description="Most calls a second to the Interaction Service; Salesforce's limit is 2,000."
    )
    events_per_day: int = Field(
        default=50_000,
        gt=0,
        le=_MOST_EVENTS,
        description="Platform events that the org may deliver in 24 hours. The gateway counts its own and warns at 80 %.",
    )
    catch_up_events: int = Field(
        default=20_000,
        gt=0,
        le=_MOST_EVENTS,
        description="Most events to read again when the place in the stream is lost; what is left out is reported.",
    )
    stale_after_minutes: float = Field(
        default=60,
        gt=0,
        le=4_320,
        description="Typing and join or leave notices older than this are not shown to customers any more.",
    )
    silence_seconds: float = Field(
        default=300,
        ge=5,
        le=3_600,
        description="A stream that brings nothing for so long, not even a keepalive, is opened again.",
    )
    file_hosts: tuple[Annotated[str, AfterValidator(_host_pattern)], ...] = Field(
        default=(),
        description="Hosts that reps' files may be fetched from, besides the org's own; `*.example.com` covers all below it.",
    )
    reps: dict[Login, UserId] = Field(
        default_factory=dict, description="With partner-owned routing: the Salesforce user id (005…) of each login."
    )
    queues: dict[str, QueueId] = Field(
        default_factory=dict, description="With partner-owned routing: the Salesforce queue id (00G…) of each queue."
    )
    flows: dict[str, FlowId] = Field(
        default_factory=dict, description="With partner-owned routing: the Salesforce flow id (300…) of each flow."
    )
    connector_origins: tuple[Annotated[str, AfterValidator(_frame)], ...] = Field(
        default=(),
        description="With partner-owned routing: origins whose pages may show the connector page in a frame, besides the org's own and its Lightning one.",
    )
    connector_toolkit: Path | None = Field(
        default=None,
        description="With partner-owned routing: Salesforce's connector toolkit (@salesforce/scv-connector-base), bundled as one ES module.",
    )

    @property
    def connector_frames(self) -> tuple[str, ...]:
        """Whose pages may show the connector page."""
        own = urlsplit(self.instance_url)
        org = f"{own.scheme}://{own.netloc}"
        lightning = org.replace(".my.salesforce.com", ".lightning.force.com")
        return tuple(dict.fromkeys((org, lightning, *self.connector_origins)))


class SalesforceChannel(Settings):
    """Salesforce controls this channel's sessions, and its reps answer there."""

    org: str = Field(description="The org's name under `salesforce`.")
    address: Annotated[str, Field(min_length=1, max_length=240)] = Field(
        description="The messaging channel's ChannelAddressIdentifier (a UUID). Each copy of an org has another one."
    )
    definition: ApiName = Field(description="Developer name of the ConversationChannelDefinition.")
    product: Literal["messaging", "ccaas"] = Field(
        default="messaging", description="`messaging` (BYOC for Messaging) or `ccaas` (BYOC for CCaaS)."
    )
    routing: Literal["salesforce", "partner"] = Field(
        default="salesforce",
        description="Who routes: `salesforce`, or with BYOC for CCaaS also `partner`, which is this gateway.",
    )
    consent: Literal["salesforce", "partner"] = Field(
        default="salesforce", description="Who keeps the customer's consent; `partner` only with BYOC for CCaaS."
    )
    announces: bool = Field(
        default=False,
        description="The org itself tells customers who joined (auto-response components): then the gateway sends no join notice of its own.",
    )
    typing: bool = Field(default=True, description="Relay typing both ways. It uses up the org's daily events.")
    receipts: bool = Field(default=True, description="Tell Salesforce what was delivered and read.")
    history: bool = Field(
        default=True, description="With BYOC for CCaaS: hand over what was said within a day before the conversation began there."
    )

    @model_validator(mode="after")
    def _fits(self) -> SalesforceChannel:
        if self.product == "messaging" and (self.routing, self.consent) != ("salesforce", "salesforce"):
            raise Unfit(
                "lets the partner own routing or consent, which only BYOC for CCaaS offers",
                "Set `product: ccaas`, or `routing` and `consent` to salesforce.",
            )
        return self
