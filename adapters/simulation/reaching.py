"""How a call of ours reaches a simulated provider: which part of its address is the path that `Simulator.handle` is given.

An account names its provider by settings that end in `_base` or `_url`. They may have a path (`https://proxy.example/line`), and one may
stand below another. The path that counts is what stands below the longest of them, for the conformance kit and the demo alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from adapters.contract import Account


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
