"""Private keys for configs in tests, made once."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

_RSA: Final = rsa.generate_private_key(65537, 2048)
PEM: Final = _RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LOCKED: Final = _RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary-5up3r-53cr3t"))
SHORT: Final = rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # noqa: S505 - refused
CURVE: Final = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
