"""Certificates for the simulated org's gRPC port, which clients reach by TLS alone: an authority of its own that signs one certificate for this machine."""

from __future__ import annotations

import ipaddress
import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID: Final = timedelta(days=365)
_RENEWED_BEFORE: Final = timedelta(days=30)
_SKEW: Final = timedelta(days=1)
_NAMES: Final = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
]


@dataclass(frozen=True, slots=True)
class Certificates:
    """`ca_file`: what clients trust. The rest is PEM."""

    ca_file: Path
    certificate: bytes
    key: bytes = field(repr=False)


def certificates(folder: Path, now: datetime) -> Certificates:
    """Those kept in the folder, or new ones when there are none, or they expire within a month. The authority's key isn't kept: it signs once."""
    ca, certificate, key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
    if not (ca.exists() and certificate.exists() and key.exists() and _good(ca, certificate, key, now)):
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip((key, ca, certificate), _make(now), strict=True):
            _write(path, content, 0o600 if path is key else 0o644)
    return Certificates(ca, certificate.read_bytes(), key.read_bytes())


def _good(ca_file: Path, certificate_file: Path, key_file: Path, now: datetime) -> bool:
    """Whether they belong together: a stop while they were written may have left some of the old ones."""
    ca, certificate = (x509.load_pem_x509_certificate(file.read_bytes()) for file in (ca_file, certificate_file))
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, InvalidSignature):
        return False
    ours = key.public_key() == certificate.public_key()
    return ours and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEWED_BEFORE


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole, or not at all; readable by others only if it may be."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    part.replace(path)


def _make(now: datetime) -> tuple[bytes, bytes, bytes]:
    """The server's key, the authority's certificate, and the server's."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _name("BYOC simulated org CA")
    own = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    ca = (
        _certificate(authority, authority, ca_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(own, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        _certificate(_name("localhost"), authority, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(by, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, ca.public_bytes(pem), server.public_bytes(pem)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: x509.Name, by: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    return made.serial_number(x509.random_serial_number()).not_valid_before(now - _SKEW).not_valid_after(now + _VALID)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
