"""The whole configuration as one frozen model, and what is built of it: channels with their adapters, orgs in the rules' own terms.

config/gateway.example.yaml shows every setting.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from adapters.contract import Account, Adapter
from adapters.envelope import ChannelId
from adapters.forms import Locale, Origin, PictureUrl, Unfit, is_host, parts_of_url
from gateway.config.ground import Settings, secure_url
from gateway.config.places import BucketUrl, DatabaseUrl, NatsConfig, S3Config, StreamUrl
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.errors import ConfigFault
from gateway.session.model import ChannelFacts, FlowDefinition, FlowRule, Login, OrgSettings, Queue, Rep

_LONGEST_ID: Final = 200  # as the API takes them
_MOST_DAYS: Final = 36_600
# A lease lasts 6 s. Who puts webhooks off before that has providers send them later than the ones that come next.
_LEAST_SHARED_BACKLOG_SECONDS: Final = 20.0


def _listen_host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if is_host(value):
            return value
        raise Unfit(
            "is not an address to listen on", "Write an address such as 127.0.0.1, 0.0.0.0 or ::, or a host name."
        ) from None
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise Unfit(
            "is not a network", "Write an address, or a network that begins with its first address, such as 10.0.0.0/8."
        ) from None
    return value


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not is_host(host) or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Unfit("is not a host with a port", "Write it like 127.0.0.1:8080.")
    return value


def _no_blank(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise Unfit("is empty, or has spaces at its ends", "Write a name without spaces at its ends.")
    return value


def _id(value: str) -> str:
    if not 0 < len(value) <= _LONGEST_ID or value != value.strip() or not value.isprintable():
        raise Unfit(
            "can't be an id", f"Use 1 to {_LONGEST_ID} letters, digits and punctuation marks, without spaces at its ends."
        )
    return value


Name: TypeAlias = Annotated[str, AfterValidator(_no_blank)]
Id: TypeAlias = Annotated[str, AfterValidator(_id)]
LoginKey: TypeAlias = Annotated[Login, AfterValidator(_id)]


class Listen(Settings):
    """Where the server listens."""

    host: Annotated[str, AfterValidator(_listen_host)] = Field(
        default="127.0.0.1",
        description="Address to bind. 0.0.0.0 or :: binds all addresses of this machine, as a container needs.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="TCP port; 0 picks a free one.")
    webhooks_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="TCP port of the edge process (`byoc serve --processes`), which webhooks should be sent to; 0 picks a free one. "
        "Default: the one after `port`.",
    )

    @property
    def port_for_webhooks(self) -> int:
        """Where an edge process listens."""
        if self.webhooks_port is not None:
            return self.webhooks_port
        return self.port + 1 if 0 < self.port < 65535 else 0


class Limits(Settings):
    """Limits on incoming requests."""

    webhook_max_bytes: int = Field(default=3_145_728, gt=0, description="Largest webhook body, in bytes (Meta sends up to 3 MB).")
    webhook_read_seconds: float = Field(default=10, gt=0, le=3600, description="Time within which a webhook's body must arrive.")
    backlog_seconds: float = Field(
        default=5,
        gt=0,
        le=3600,
        description="When a channel's oldest webhook has waited so long to be applied, because they arrive faster than that, further ones get 503 with Retry-After until it is half of this. Providers send them again. On PostgreSQL it is 20 at least: what a process that died was working on waits some seconds for another.",
    )
    api_max_bytes: int = Field(default=1_048_576, gt=0, description="Largest JSON body of the API, in bytes.")
    file_max_bytes: int = Field(default=26_214_400, gt=0, description="Largest file of a rep or a customer, in bytes.")
    api_requests_per_minute: int = Field(
        default=1_200, gt=0, description="API calls that one rep or program may make per minute."
    )
    grace_seconds: float = Field(default=20, gt=0, le=3600, description="Time to finish work in progress after SIGTERM.")


class Retention(Settings):
    """How long data is kept."""

    inbox_days: float = Field(default=8, ge=1, le=_MOST_DAYS, description="How long to keep raw webhooks that are done.")
    stuck_days: float = Field(default=90, ge=1, le=_MOST_DAYS, description="How long to keep raw webhooks that are stuck.")


# Signatures by a key pair only. With a shared secret (HS256 …), or with none, whoever reads our config could write tokens.
SigningAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class OidcConfig(Settings):
    """A company's own sign-in (OpenID Connect)."""

    issuer: str = Field(
        description="The issuer's address, exactly as in the tokens' `iss`, including a slash at the end if there is one."
    )
    audience: str = Field(
        min_length=1, description="The value that tokens for this gateway have in `aud`: the issuer's name for this API."
    )
    login_claim: str = Field(
        default="preferred_username",
        min_length=1,
        description="The claim with the rep's login. Choose one that people can't change themselves.",
    )
    org: str | None = Field(default=None, description="The org of everybody who signs in this way; alternatively `org_claim`.")
    org_claim: str | None = Field(default=None, description="The claim with the org's id; alternatively `org`.")
    algorithms: tuple[SigningAlgorithm, ...] = Field(
        default=("RS256", "ES256"), min_length=1, description="Accepted signature algorithms; RS, PS, ES and EdDSA are supported."
    )
    jwks_url: str | None = Field(
        default=None, description="Where the issuer's public keys are. null: the gateway asks the issuer."
    )
    client_id: str | None = Field(
        default=None,
        description="The desk's client id at the issuer, for a public client with PKCE. null: the desk has no sign-in button.",
    )
    scope: str = Field(default="openid profile", description="The scope that the desk requests.")
    sign_in_params: dict[str, str] = Field(
        default_factory=dict,
        description="Additional parameters of the desk's sign-in request, such as `audience` (Auth0) or `resource`.",
    )
    name: str = Field(
        default="your company", min_length=1, max_length=40, description="The name on the desk's button: `Sign in with …`."
    )

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        return None if value is None else secure_url(value)

    @model_validator(mode="after")
    def _one_org(self) -> OidcConfig:
        if (self.org is None) == (self.org_claim is None):
            raise Unfit("needs either `org` or `org_claim`", "Set one of them, not both.")
        return self


class RepConfig(Settings):
    """A rep of an org; the key is the login."""

    name: Name = Field(max_length=80, description="The name that customers see.")
    kind: Literal["human", "bot"] = Field(
        default="human", description="`human` or `bot`. Rule C5 says how bots take part in conferences."
    )
    avatar_url: PictureUrl | None = Field(
        default=None, description="Public https URL of a picture, for channels that can show one."
    )
    licences: frozenset[Literal["messaging_user", "enhanced_chat_user"]] = Field(
        default=frozenset({"messaging_user", "enhanced_chat_user"}),
        description="Sessions that the rep may receive (P2): `messaging_user` for messaging channels, `enhanced_chat_user` for chat.",
    )
    permissions: frozenset[Literal["messaging_agent", "enhanced_chat_rep", "run_flows"]] = Field(
        default=frozenset({"messaging_agent", "enhanced_chat_rep"}),
        description="Needed with the licence (P2): `messaging_agent` for messaging channels, `enhanced_chat_rep` for chat. `run_flows` allows sending a session to a flow (P3).",
    )
    supervisor: bool = Field(default=False, description="The rep may see and end all sessions, answer flags, and read the audit.")
    capacity: int = Field(default=5, ge=0, description="Most sessions at once.")
    tokens: tuple[SecretStr, ...] = Field(
        default=(),
        description="API tokens, or `sha256:` and a digest of 64 hex digits to keep the token itself out of the config. List several to replace one without interruption.",
    )


class QueueConfig(Settings):
    """A queue; the key is its id."""

    name: Name = Field(description="The name that reps see.")
    reps: tuple[Login, ...] = Field(default=(), description="Logins of the reps who serve the queue.")


class FlowConfig(Settings):
    """A flow; the key is its id."""

    name: Name = Field(description="The name that reps see.")
    rules: tuple[FlowRule, ...] = Field(
        default=(), description="The first rule whose `when` matches names the recipient; a rule without `when` always matches."
    )


class OrgConfig(Settings):
    """An org. Its reps see and change nothing of another org's."""

    settings: OrgSettings = Field(
        default_factory=OrgSettings, description="Switches and times of the rules (docs/conferencing.md)."
    )
    reps: dict[LoginKey, RepConfig] = Field(default_factory=dict, description="Reps, by login.")
    queues: dict[Id, QueueConfig] = Field(default_factory=dict, description="Queues, by id.")
    flows: dict[Id, FlowConfig] = Field(default_factory=dict, description="Flows, by id.")


class ChannelConfig(Settings):
    """A channel; the key is its id, and the last part of its webhook address."""

    kind: str = Field(description="The adapter; `byoc channels` lists all.")
    org: str = Field(description="The org whose reps serve the channel.")
    queue: str | None = Field(
        default=None, description="The queue that new sessions wait in. Without a queue, they are offered to nobody."
    )
    title: Name | None = Field(default=None, description="The name that reps see.")
    edition: Literal["enhanced", "standard"] = Field(
        default="enhanced",
        description="`enhanced` or `standard`. The standard edition, where a channel has one, has no conferencing (P1).",
    )
    locale: Locale = Field(default="en", description="Language of notices if the customer's is unknown.")
    name_speaker: Literal["always", "conference", "never"] = Field(
        default="conference", description="When customers are told who is speaking (M2): `always`, in a `conference`, or `never`."
    )
    max_conference_participants: int | None = Field(
        default=None, ge=1, description="Lowers the org's `conference_limit` for this channel (P6)."
    )
    notices: dict[str, dict[str, str | None]] = Field(
        default_factory=dict,
        description="Texts of notices (M3) by locale (`*`: all locales without their own) and code: joined, left, transferred, waiting, ended. null disables a notice.",
    )
    messages_per_second: float = Field(
        default=50, gt=0, le=100_000, description="The rate at which messages are sent to this account's provider."
    )
    salesforce: SalesforceChannel | None = Field(
        default=None, description="Salesforce is this channel's session broker (docs/salesforce.md). null: the gateway itself is."
    )
    account: dict[str, Any] = Field(
        default_factory=dict, description="The adapter's own settings; they differ by kind.", repr=False
    )


class GatewayConfig(Settings):
    """All settings of a gateway."""

    public_url: str = Field(
        default="http://127.0.0.1:8080",
        description="The address at which providers reach this server. Signatures that cover the URL are checked against it.",
    )
    listen: Listen = Field(default_factory=Listen, description="Where the server listens.")
    data_dir: Path = Field(
        default=Path("data"),
        description="The folder for all durable data, relative to where the gateway is started.",
    )
    store: DatabaseUrl | None = Field(
        default=None,
        description="The PostgreSQL database that several processes share: `postgresql://USER:PASSWORD@HOST/DATABASE`. null: SQLite in `data_dir`; see docs/scaling.md.",
    )
    stores: dict[Id, DatabaseUrl] = Field(
        default_factory=dict, description="Orgs with a PostgreSQL database of their own, by the org's id. The others use `store`."
    )
    inbox: StreamUrl | None = Field(
        default=None,
        description="NATS servers whose stream keeps webhooks until the store takes them: `nats://HOST:4222`, several with commas. null: the store keeps them itself.",
    )
    nats: NatsConfig = Field(default_factory=NatsConfig, description="The stream behind `inbox`.")
    media: BucketUrl | None = Field(
        default=None, description="The S3-compatible bucket that files are kept in: `s3://BUCKET`. null: a folder in `data_dir`."
    )
    s3: S3Config = Field(default_factory=S3Config, description="The service behind `media`.")
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=(), description="Networks of your own proxies. X-Forwarded-For is trusted only from these."
    )
    allow_private_media_hosts: tuple[Annotated[str, AfterValidator(_host_and_port)], ...] = Field(
        default=(),
        description="`host:port` of private addresses from which files may be fetched; for tests and demos.",
    )
    media_secret: SecretStr | None = Field(
        default=None,
        description="Signs the addresses of files. If missing, it is generated and kept in data_dir. With `store`, `stores` or a bucket in `media` it must be set, since several processes share it.",
    )
    oidc: OidcConfig | None = Field(
        default=None,
        description="A company's own sign-in (OpenID Connect), in addition to the reps' tokens; see docs/sign-in.md.",
    )
    api_origins: tuple[Origin, ...] = Field(
        default=(),
        description="Origins of other sites' pages that may use the API from a browser. The gateway's own pages don't need to be listed.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged: `debug`, `info`, `warning` or `error`."
    )
    limits: Limits = Field(default_factory=Limits, description="Limits on incoming requests.")
    retention: Retention = Field(default_factory=Retention, description="How long data is kept.")
    salesforce: dict[Id, SalesforceOrg] = Field(
        default_factory=dict, description="Salesforce orgs, by a name of your own; see docs/salesforce.md."
    )
    orgs: dict[Id, OrgConfig] = Field(default_factory=dict, description="Orgs, by id.")
    channels: dict[str, ChannelConfig] = Field(default_factory=dict, description="Channels, by id.")

    @property
    def orgs_by_store(self) -> Mapping[SecretStr | None, Sequence[str]]:
        """The orgs of each database, that of `store` first. None: SQLite in `data_dir`."""
        found: dict[SecretStr | None, list[str]] = {}
        for org in self.orgs:
            found.setdefault(self.stores.get(org, self.store), []).append(org)
        if not found:
            return {self.store: ()}
        return dict(sorted(found.items(), key=lambda one: one[0] != self.store))

    @property
    def longest_backlog_seconds(self) -> float:
        """`limits.backlog_seconds`; where several processes share the work, long enough for one to take over from another."""
        told = self.limits.backlog_seconds
        return max(told, _LEAST_SHARED_BACKLOG_SECONDS) if self.store is not None or self.stores else told

    @field_validator("public_url")
    @classmethod
    def _no_path(cls, value: str) -> str:
        """All addresses are directly below it: providers sign the exact URL, and the desk is at /desk."""
        parts = parts_of_url(value, "https", "http")
        if f"{parts.scheme}://{parts.netloc}" != value:
            raise Unfit(
                "has more than scheme, host and port",
                "Leave out the slash and everything after it; the gateway needs its own host name.",
            )
        return value


class Channel:
    """A configured channel with its adapter and its validated account."""

    def __init__(self, channel_id: str, config: ChannelConfig, adapter: Adapter[Any], account: Account) -> None:
        self.id = ChannelId(channel_id)
        self.config = config
        self.adapter = adapter
        self.account = account
        self.facts = ChannelFacts(
            id=self.id,
            kind=config.kind,
            title=self.title,
            org=config.org,
            chat=adapter.capabilities.chat,
            edition=config.edition,
            locale=config.locale,
            queue=config.queue
            if config.salesforce is None or config.salesforce.routing == "partner"
            else None,  # else Salesforce routes
            broker=f"salesforce:{config.salesforce.org}" if config.salesforce is not None else "",
            max_conference_participants=config.max_conference_participants,
            name_speaker=config.name_speaker,
            speaks_natively=adapter.capabilities.speaker == "native",
            notices=config.notices,
            can_notify="notice" in adapter.capabilities.outbound,
        )

    @property
    def title(self) -> str:
        """The name that reps see."""
        return self.config.title or self.adapter.title


class Org:
    """An org's people in the rules' own terms."""

    def __init__(self, org_id: str, config: OrgConfig) -> None:
        self.id = org_id
        self.settings = config.settings
        self.reps: dict[str, Rep] = {
            login: Rep(login=login, org=org_id, **rep.model_dump(exclude={"tokens"})) for login, rep in config.reps.items()
        }
        self.queues = {key: Queue(id=key, org=org_id, name=q.name, reps=q.reps) for key, q in config.queues.items()}
        self.flows = {key: FlowDefinition(id=key, org=org_id, name=f.name, rules=f.rules) for key, f in config.flows.items()}
        self._queues_of = _queues_by_rep(self.queues.values())

    def queues_of(self, login: str) -> frozenset[str]:
        """The queues that this rep serves."""
        return self._queues_of.get(login, frozenset())


def _queues_by_rep(queues: Iterable[Queue]) -> Mapping[str, frozenset[str]]:
    # Asked for with everything that a rep reads: a queue may have a thousand reps.
    found: dict[str, set[str]] = {}
    for queue in queues:
        for login in queue.reps:
            found.setdefault(login, set()).add(queue.id)
    return {login: frozenset(ids) for login, ids in found.items()}


class Loaded:
    """A config without faults, its channels and orgs built. `warnings`: what is allowed, and seldom meant."""

    def __init__(self, config: GatewayConfig, channels: Mapping[str, Channel], warnings: Sequence[ConfigFault] = ()) -> None:
        self.config = config
        self.channels = channels
        self.warnings = tuple(warnings)
        self.orgs = {key: Org(key, org) for key, org in config.orgs.items()}
