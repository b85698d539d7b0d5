"""What must fit between channels and Salesforce orgs, and what of it can be seen without asking the org."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters.forms import is_private
from gateway.config.model import ChannelConfig, GatewayConfig
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.config.text import Places, Steps
from gateway.errors import ConfigFault

LEAST_KEY_BITS: Final = 2048
_PACKAGES: Final = ("grpc", "fastavro")
_NEW_KEY: Final = "Make a key and its certificate with `byoc salesforce setup --new-key PATH`, or with openssl; it must be RSA of 2048 bits or more."


class NoKey(ValueError):
    """Why a private key can't sign. `fix` says what to do; neither has any of the key."""

    def __init__(self, fault: str, fix: str = _NEW_KEY) -> None:
        super().__init__(fault)
        self.fix = fix


def pem_of(secret: SecretStr) -> bytes:
    """The key's PEM, read from its file where the setting is `file:` and a path. Raises NoKey."""
    text = secret.get_secret_value()
    if not text.startswith("file:"):
        return text.replace("\\n", "\n").encode()  # an environment variable often has its line ends written out
    path = Path(text.removeprefix("file:"))
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoKey(
            f"the key's file can't be read ({error.strerror})", "Correct the path, or let the gateway's user read the file."
        ) from None


def key_fault(secret: SecretStr) -> NoKey | None:
    """Why this key can't sign for Salesforce; None if it can."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem_of(secret), None)
    except NoKey as fault:
        return fault
    except TypeError:
        return NoKey("is a key with a password", "Remove the password (`openssl pkcs8 -topk8 -nocrypt`) and protect the file.")
    except (ValueError, UnsupportedAlgorithm):
        return NoKey("is not a private key in PEM format")
    if not isinstance(key, RSAPrivateKey):
        return NoKey("is not an RSA key, and Salesforce takes RS256 only")
    return None if key.key_size >= LEAST_KEY_BITS else NoKey(f"has {key.key_size} bits, fewer than {LEAST_KEY_BITS}")


def salesforce_faults(config: GatewayConfig, raw: Any, places: Places) -> Iterator[ConfigFault]:
    """All that is wrong with orgs and with the channels that they control; `raw` has those names, too, whose settings are at fault."""
    named = raw.get("salesforce") if isinstance(raw, dict) else None
    orgs = [str(name) for name in named] if isinstance(named, dict) else []
    for name, org in config.salesforce.items():
        yield from _org_faults(("salesforce", name), org, places)
    taken: dict[tuple[str, str], str] = {}
    stored: dict[str, tuple[str, str | None]] = {}
    for key, channel, there in _controlled(config):
        at: Steps = ("channels", key, "salesforce")
        if there.org not in orgs:
            fix = f"Use one of: {', '.join(orgs)}." if orgs else "Define it under `salesforce`."
            yield ConfigFault(places.of((*at, "org")), f"there is no Salesforce org {there.org!r}", fix)
        store = config.stores.get(channel.org)
        here = (key, store.get_secret_value() if store else None)
        other, its_store = stored.setdefault(there.org, here)
        if its_store != here[1]:
            fault = f"is also the Salesforce org of channel {other!r}, whose org has another database (`stores`)"
            fix = "Give both orgs the same database: the events of a Salesforce org are kept in one."
            yield ConfigFault(places.of((*at, "org")), fault, fix)
        first = taken.setdefault((there.org, there.address.lower()), key)
        if first != key:
            fix = "Give each channel a messaging channel of its own in Salesforce, and copy its ChannelAddressIdentifier."
            yield ConfigFault(places.of((*at, "address")), f"is also the address of channel {first!r}", fix)


def _controlled(config: GatewayConfig) -> Iterator[tuple[str, ChannelConfig, SalesforceChannel]]:
    return ((key, one, one.salesforce) for key, one in config.channels.items() if one.salesforce is not None)


def _org_faults(at: Steps, org: SalesforceOrg, places: Places) -> Iterator[ConfigFault]:
    for index, key in enumerate(org.private_keys):
        if fault := key_fault(key):
            yield ConfigFault(places.of((*at, "private_keys", index)), str(fault), fault.fix)
    for setting, path in (("ca_file", org.ca_file), ("connector_toolkit", org.connector_toolkit)):
        if path is not None and (reason := _unreadable(path)):
            yield ConfigFault(places.of((*at, setting)), f"can't be read ({reason})", "Correct the path.")
    yield from _twice((*at, "reps"), org.reps.items(), places)
    yield from _twice((*at, "queues"), org.queues.items(), places)
    yield from _twice((*at, "flows"), org.flows.items(), places)


def _unreadable(path: Path) -> str | None:
    try:
        path.read_bytes()
    except OSError as error:
        return error.strerror
    return None


def _twice(at: Steps, ids: Iterable[tuple[str, str]], places: Places) -> Iterator[ConfigFault]:
    """Ids of 15 and of 18 characters name the same record."""
    first: dict[str, str] = {}
    for name, record in ids:
        other = first.setdefault(record[:15], name)
        if other != name:
            yield ConfigFault(places.of((*at, name)), f"is also the id of {other!r}", "Give each its own id.")


def salesforce_warnings(config: GatewayConfig, places: Places) -> Iterator[ConfigFault]:
    """What is allowed, and mostly not meant."""
    missing = [name for name in _PACKAGES if config.salesforce and find_spec(name) is None]
    if missing:
        fault = f"needs packages that are not installed ({', '.join(missing)})"
        yield ConfigFault(
            places.of(("salesforce",)), fault, "Install byoc-gateway[salesforce]; the gateway doesn't start without them."
        )
    for key, channel, there in _controlled(config):
        at: Steps = ("channels", key)
        org = config.salesforce[there.org]
        if there.routing == "partner":
            yield from _ids_missing(key, channel, config, org, places)
            continue
        told = "Salesforce routes this channel's sessions"
        if channel.queue is not None:
            fix = "Remove it, and choose the queue or flow in the messaging channel's settings in Salesforce."
            yield ConfigFault(places.of((*at, "queue")), f"has no effect: {told}", fix)
        if channel.max_conference_participants is not None:
            fix = "`byoc salesforce setup` writes it into the ConversationChannelDefinition; the gateway doesn't enforce it."
            yield ConfigFault(places.of((*at, "max_conference_participants")), f"is enforced by the org alone: {told}", fix)
    yield from _toolkit_missing(config, places)
    used = {there.org for _, _, there in _controlled(config)}
    for name in config.salesforce:
        if name not in used:
            fix = "Name it in a channel's `salesforce.org`, or remove it."
            yield ConfigFault(places.of(("salesforce", name)), "is used by no channel", fix)


def _toolkit_missing(config: GatewayConfig, places: Places) -> Iterator[ConfigFault]:
    """Told of orgs alone that can show the page: Salesforce's console can't reach this machine."""
    if is_private(urlsplit(config.public_url).hostname or ""):
        return
    routed = {there.org for _, _, there in _controlled(config) if there.routing == "partner"}
    for name in sorted(routed):
        if config.salesforce[name].connector_toolkit is None:
            fault = "is not set, so reps can choose nobody in Start Conference and Transfer"
            fix = "Bundle Salesforce's connector toolkit and name the file (docs/salesforce-partner-routing.md)."
            yield ConfigFault(places.of(("salesforce", name, "connector_toolkit")), fault, fix)


def _ids_missing(
    key: str, channel: ChannelConfig, config: GatewayConfig, org: SalesforceOrg, places: Places
) -> Iterator[ConfigFault]:
    """With partner-owned routing, who has no id in Salesforce can be given no work there."""
    ours = config.orgs[channel.org]
    name = channel.salesforce.org if channel.salesforce else ""
    served = ours.queues[channel.queue].reps if channel.queue in ours.queues else tuple(ours.reps)
    wanted: dict[str, tuple[Iterable[str], Collection[str]]] = {
        "reps": ((login for login in ours.reps if login in served), org.reps),
        "queues": (ours.queues, org.queues),
        "flows": (ours.flows, org.flows),
    }
    for setting, (names, known) in wanted.items():
        missing = [one for one in names if one not in known]
        if missing:
            fault = f"channel {key!r} routes to {setting} that have no Salesforce id: {', '.join(missing)}"
            fix = f"Add their ids to `salesforce.{name}.{setting}`; without one, nothing can be routed to them."
            yield ConfigFault(places.of(("salesforce", name, setting)), fault, fix)
