"""How calls and simulated providers reach each other: which part of an address is the path that `Simulator.handle` or an adapter is given.

An account names its provider by settings that end in `_base` or `_url`. They may have a path (`https://proxy.example/line`), and one may
stand below another. The path that counts is what is below the longest of them, for the conformance kit and the demo alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from adapters.contract import Account, ProviderCall, RawRequest


def addresses_of(account: Account) -> list[str]:
    """Every address that the account's settings name, but ours."""
    named = {value for name, value in account if name.endswith(("_base", "_url")) and name != "webhook_url"}
    return [value.rstrip("/") for value in named if isinstance(value, str) and value]


def path_below(url: str, account: Account) -> str | None:
    """The path of a call to this URL, without its query; None where it is below none of the account's addresses."""
    bare = url.partition("?")[0]
    return _below(bare, addresses_of(account))


def path_at(path: str, account: Account, root: str) -> str:
    """The same where only the path is known, because all providers are served below one address: `root` is this one's own, which any
    proxy between has put first."""
    rest = path.removeprefix(root)
    below = _below(rest, [urlsplit(address).path.removeprefix(root) for address in addresses_of(account)])
    return rest if below is None else below


def _below(what: str, addresses: Iterable[str]) -> str | None:
    found = [one for one in addresses if what == one or what.startswith(f"{one}/")]
    return what.removeprefix(max(found, key=len)) if found else None


def webhook(call: ProviderCall, account: Account, at: datetime) -> RawRequest:
    """A provider's call as the gateway hands it to the adapter, should it go below the account's webhook address."""
    url, hook = urlsplit(call.url), urlsplit(account.webhook_url)
    pairs = tuple(parse_qsl(url.query, keep_blank_values=True))
    headers = {name.lower(): value for name, value in call.headers.items()}
    return RawRequest(call.method, call.url, url.path.removeprefix(hook.path), pairs, headers, call.body, at)
