"""How a gateway reaches the simulated org: the app that it signs in as, with its key, and the settings for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.brokers.salesforce.simulator import ids
from gateway.brokers.salesforce.simulator.contract import OrgChannel
from gateway.brokers.salesforce.simulator.token import App, Grants, IssuedTokens, User
from gateway.clock import Clock
from gateway.config import Org

CONSUMER_KEY: Final = "3MVG9simulated.org"
USERNAME: Final = "gateway@simulated.example"
ADMIN: Final = "admin@simulated.example"
_BITS: Final = 2048
_VALID: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Access:
    """The app's key, and who issues tokens for it. `origin`: of the port that serves the org, which is at `prefix` there."""

    org_id: str
    origin: str
    prefix: str
    key_file: Path
    tokens: IssuedTokens = field(repr=False)
    grants: Grants = field(repr=False)
    users: Mapping[str, User] = field(repr=False)

    @property
    def url(self) -> str:
        """Login, instance and messaging runtime in one address."""
        return self.origin + self.prefix

    def org_settings(self, people: Org, endpoint: str, ca_file: Path, names: Mapping[str, str]) -> dict[str, Any]:
        """The block under `salesforce` of a gateway's config. `names`: the platform event and its two fields."""
        return {
            "org_id": self.org_id,
            "login_url": self.url,
            "instance_url": self.url,
            "scrt_url": self.url,
            "pubsub_endpoint": endpoint,
            "ca_file": str(ca_file.resolve()),
            "consumer_key": CONSUMER_KEY,
            "username": USERNAME,
            "private_keys": [f"file:{self.key_file.resolve()}"],
            **names,
            "reps": {login: ids.user_id(login) for login, rep in people.reps.items() if rep.kind == "human"},
            "queues": {queue: ids.queue_id(queue) for queue in people.queues},
            "flows": {flow: ids.flow_id(flow) for flow in people.flows},
        }


def channel_settings(org: str, channel: OrgChannel, *, announces: bool) -> dict[str, Any]:
    """The block `salesforce` of one channel in a gateway's config. `announces`: the org itself tells customers who joined."""
    return {
        "org": org,
        "address": channel.address,
        "definition": channel.definition,
        "product": channel.product,
        "routing": channel.routing,
        "consent": channel.consent,
        "announces": announces,
    }


def access(folder: Path, org_id: str, origin: str, prefix: str, clock: Clock) -> Access:
    """With the key that is kept in the folder, made at the first start."""
    key_file, certificate = _key_pair(folder)
    users = {name: User(name, ids.record_id("005", name)) for name in (USERNAME, ADMIN)}
    app = App(CONSUMER_KEY, (certificate,), frozenset(users), admin_approves=True)
    tokens = IssuedTokens(org_id, clock, users)
    return Access(org_id, origin, prefix, key_file, tokens, Grants([app], tokens, frozenset({origin + prefix})), users)


def _key_pair(folder: Path) -> tuple[Path, bytes]:
    """The private key's file, readable by its owner alone, and the certificate."""
    key_file, certificate_file = folder / "app.key", folder / "app.crt"
    if not (key_file.exists() and certificate_file.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with open(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(private)
        certificate_file.write_bytes(_certificate(key).public_bytes(pem))
    return key_file, certificate_file.read_bytes()


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name, began = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "BYOC gateway")]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(began).not_valid_after(began + _VALID)
    return made.sign(key, hashes.SHA256())
