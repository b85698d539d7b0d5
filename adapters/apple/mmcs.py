"""How files are locked: whoever sends one encrypts it, and the key travels with the message.

AES-256 in counter mode, the counter beginning at zero, no padding, so that the encrypted file has the plain one's size. The `key`
field is "00" and the key in hex; Apple writes upper case. The `signature` field is hex when it comes from Apple, while every header and
our own messages want the same bytes in base64: a hex text is sound base64 too, so a forgotten step fails only later.
Source: Apple, "Sending and Receiving Attachments" (Business Chat API) and the MSP tutorial's questions and answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_ZERO_COUNTER: Final = bytes(16)
GZIP_MAGIC: Final = b"\x1f\x8b"


class NotUnlocked(ValueError):
    """A key, signature or packed body is not what it claims to be."""


class TooLarge(NotUnlocked):
    """Unpacked, it is larger than allowed."""


def file_key(secret: bytes, retry_key: str, content: bytes) -> bytes:
    """A fresh key for one file, made from the account's secret, the message and the bytes.

    Counter mode breaks when one key meets two contents, so the content is part of it; a second run of the same flow gives
    the same key and the same bytes, which tells an eavesdropper nothing new.
    """
    told = b"attachment key\0" + retry_key.encode() + b"\0" + hashlib.sha256(content).digest()
    return hmac.digest(secret, told, hashlib.sha256)


def lock(content: bytes, key: bytes) -> bytes:
    """Encrypt or decrypt (in counter mode the same)."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(_ZERO_COUNTER)).encryptor()
    return cipher.update(content) + cipher.finalize()


def key_field(key: bytes) -> str:
    """The key as a message carries it."""
    return "00" + key.hex().upper()


def key_from(field: str) -> bytes:
    """The key out of a message's field, in either case. Raises NotUnlocked."""
    try:
        key = bytes.fromhex(field)
    except ValueError:
        raise NotUnlocked("the key is not hex") from None
    if len(key) == 33 and key[0] == 0:
        return key[1:]
    raise NotUnlocked("the key is not 00 and 32 bytes")


def signature_base64(signature_hex: str) -> str:
    """Apple's hex signature as its headers want it. Raises NotUnlocked."""
    try:
        return base64.b64encode(bytes.fromhex(signature_hex)).decode()
    except ValueError:
        raise NotUnlocked("the signature is not hex") from None


def unpack(data: bytes, max_bytes: int) -> bytes:
    """The bytes gunzipped where they are gzip (told by their first two), never more than `max_bytes`.

    The header `Content-Encoding` is not asked: a server in between may have unpacked the body and left it standing.
    Raises TooLarge and NotUnlocked.
    """
    if not data.startswith(GZIP_MAGIC):
        if len(data) > max_bytes:
            raise TooLarge(f"the body has over {max_bytes} bytes")
        return data
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(data, max_bytes + 1)
    except zlib.error:
        raise NotUnlocked("the body is invalid gzip") from None
    if len(plain) > max_bytes:
        raise TooLarge(f"unpacked, the body has over {max_bytes} bytes")
    if not unpacker.eof:
        raise NotUnlocked("the gzip body is incomplete")
    return plain
