"""Forms of settings that several channels have: addresses, ids, words. Each is a type for a field of an `Account`.

What doesn't fit raises `Unfit`, which says what is wrong and how to fix it, and never repeats the value: people paste secrets into the wrong place.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

_HOST: Final = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?"
)
_ADDRESS: Final = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\]")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_MIME: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*(\.\*)?)")


class Unfit(ValueError):
    """A value that doesn't have the required format. `fix` is a sentence: what to write instead."""

    def __init__(self, fault: str, fix: str) -> None:
        super().__init__(fault)
        self.fix = fix


def parts_of_url(value: str, *schemes: str) -> SplitResult:
    """The parts of an absolute URL of one of these schemes, without user or password. Raises Unfit."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    fix = f"Write it as {schemes[0]}://host.example.com, with a port where it needs one."
    if any(sign <= " " or sign == "\x7f" for sign in value) or not value.isascii():
        raise Unfit("has a space, a control character or a non-ASCII character", "Write the address as browsers send it.")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise Unfit("is not a URL, or has an invalid port", fix) from None
    if parts.scheme not in schemes or not value.startswith(f"{parts.scheme}://"):
        raise Unfit(f"doesn't begin with {wanted}", fix)
    if "@" in parts.netloc:
        raise Unfit("has a user or a password in it", "Leave out everything before the @; secrets have their own settings.")
    host = parts.netloc.rpartition(":")[0] if port is not None or parts.netloc.endswith(":") else parts.netloc
    if parts.netloc.endswith(":") or port == 0 or not is_host(host):
        raise Unfit("has no host", fix)
    return parts


def is_host(text: str) -> bool:
    """A name, an IPv4 address, or an IPv6 address in brackets."""
    return bool(_HOST.fullmatch(text) or _ADDRESS.fullmatch(text))


def origin(value: str) -> str:
    """An origin exactly as browsers send it: scheme, host and port. Raises Unfit."""
    parts = parts_of_url(value, "https", "http")
    if f"{parts.scheme}://{parts.netloc}" != value:
        raise Unfit(
            "has more than scheme, host and port", "Write it as https://shop.example.com, without a slash or path behind it."
        )
    if value != value.lower():
        raise Unfit("has capital letters", "Write it in lower case, as browsers send it.")
    if value.endswith({"https": ":443", "http": ":80"}[parts.scheme]):
        raise Unfit("has the default port, which browsers leave out", "Leave out the port.")
    return value


def _base_url(value: str) -> str:
    parts = parts_of_url(value, "https", "http")
    if "?" in value or "#" in value:
        raise Unfit("has a query or a fragment", "Leave out everything from the ? or # onward.")
    if value.endswith("/"):
        raise Unfit("ends with a slash", "Leave out the slash; paths are appended.")
    if parts.scheme == "http" and not is_private(parts.hostname or ""):
        raise Unfit("is plain http to a public host, which would expose the token", "Write https://.")
    return value


def is_private(host: str) -> bool:
    """A host that isn't on the open internet, by its looks: this machine, a private address, a name without a dot or in a local zone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith((".local", ".internal", ".localhost", ".test", ".lan"))
    return address.is_private or address.is_loopback


def _picture_url(value: str) -> str:
    parts_of_url(value, "https")
    if len(value) > 2000:
        raise Unfit("is longer than 2000 characters", "Give the picture a shorter address.")
    return value


def _server_url(value: str) -> str:
    parts_of_url(value, "https", "http")
    if "#" in value:
        raise Unfit("has a fragment", "Leave out everything from the # onward.")
    return value


def is_locale(text: str) -> bool:
    """A language tag, by its looks."""
    return bool(_LOCALE.fullmatch(text))


def _locale(value: str) -> str:
    if not is_locale(value):
        raise Unfit("is not a language tag", "Write a language tag, such as en, de or pt-BR.")
    return value


def _mime_type(value: str) -> str:
    if not _MIME.fullmatch(value):
        raise Unfit("is not a file type", "Write it in lower case, such as image/png, or image/* for all images.")
    return value


def _host_name(value: str) -> str:
    if not _HOST.fullmatch(value) or value != value.lower():
        raise Unfit("is not a host name", "Write only the name, in lower case, without scheme or path.")
    return value


def _origin_or_any(value: str) -> str:
    return value if value == "*" else origin(value)


# An API of a provider: calls carry our token. May have a path.
BaseUrl: TypeAlias = Annotated[str, AfterValidator(_base_url)]
BaseUrlOrNone: TypeAlias = Annotated[str, AfterValidator(lambda value: value and _base_url(value))]
# A server of the operator's own, perhaps on a private network.
ServerUrl: TypeAlias = Annotated[str, AfterValidator(_server_url)]
# A picture that providers and customers fetch.
PictureUrl: TypeAlias = Annotated[str, AfterValidator(_picture_url)]
Origin: TypeAlias = Annotated[str, AfterValidator(origin)]
OriginOrAny: TypeAlias = Annotated[str, AfterValidator(_origin_or_any)]
Locale: TypeAlias = Annotated[str, AfterValidator(_locale)]
MimeType: TypeAlias = Annotated[str, AfterValidator(_mime_type)]
HostName: TypeAlias = Annotated[str, AfterValidator(_host_name)]
