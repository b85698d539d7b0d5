"""A private key of one's own, and the certificate by which Salesforce knows it."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from gateway.errors import GatewayError

_BITS: Final = 3072  # as strong as a key of 128 bits
_LIFETIME: Final = timedelta(days=730)


class KeyRefused(GatewayError):
    """The key isn't written, or can't be used."""


def write_new(path: Path) -> RSAPrivateKey:
    """A new RSA key in a new file that only its owner may read. An existing file is never overwritten: it may be the only copy of a key in use."""
    key = generate_private_key(65537, _BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyRefused(
            f"{path} exists already: give the path of a new file, or leave out --new-key to use the config's key"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key


def key_of(pem: bytes) -> RSAPrivateKey:
    """The key of a PEM that the config's checks have passed."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, RSAPrivateKey):
        raise KeyRefused("the key is not an RSA key")
    return key


def certificate(key: RSAPrivateKey, name: str, now: datetime) -> bytes:
    """A self-signed certificate in PEM, valid for two years. Salesforce checks signatures with the public key in it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + _LIFETIME)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def fits(pem: bytes, key: RSAPrivateKey, now: datetime) -> bool:
    """Whether a certificate is this key's, and valid for 30 days more: then it is kept, since it may be in the org already."""
    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return found.public_key() == key.public_key() and found.not_valid_after_utc > now + timedelta(days=30)
