"""Writes the project into a folder, with the certificate of the key that the gateway signs with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway.brokers.salesforce.setting_up import keys
from gateway.brokers.salesforce.setting_up.plan import Plan
from gateway.brokers.salesforce.setting_up.project import files

CERTIFICATE: Final = "certificate.crt"


def write(plan: Plan, key: RSAPrivateKey, folder: Path, now: datetime, say: Callable[[str], None]) -> None:
    """Write what is new or has changed, and report each such file in a line. The private key stays where it is."""
    content: dict[str, str] = {CERTIFICATE: _certificate(folder / CERTIFICATE, key, plan.app, now).decode()}
    content |= files(plan, content[CERTIFICATE].encode())
    unchanged = 0
    for name, text in content.items():
        path = folder / name
        before = path.read_text() if path.exists() else None
        if before == text:
            unchanged += 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        say(f"{'written' if before is None else 'changed'}  {path}")
    if unchanged:
        say(f"{unchanged} file(s) unchanged")


def _certificate(path: Path, key: RSAPrivateKey, name: str, now: datetime) -> bytes:
    """The folder's, if it is this key's: the org may have it already, and each new one would have to be uploaded."""
    found = path.read_bytes() if path.exists() else b""
    return found if keys.fits(found, key, now) else keys.certificate(key, name, now)
