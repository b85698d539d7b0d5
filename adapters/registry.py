"""Which adapters there are: every channel's folder beside this file, and every plug-in's entry point.

Nothing registers itself at import; `load()` looks. A folder is named as its channel's kind, so one of ours is imported when it is asked for: a
gateway doesn't load channels that its config doesn't name. Two adapters of one kind are a fault, and so is one that was written for a contract that
this gateway doesn't know: it would load, and fail at the first message.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import adapters
from adapters.contract import CONTRACT, Adapter
from adapters.errors import AdapterError

ENTRY_POINT_GROUP = "byoc.adapters"
_NO_CHANNELS = frozenset({"conformance", "simulation"})
_OLDEST = CONTRACT - 1


class AdapterFault(AdapterError):
    """An installed adapter can't be used; the text names it and the fix."""


@lru_cache(maxsize=1)
def load() -> Mapping[str, Adapter[Any]]:
    """All adapters by kind, ours and plug-ins', in the order of their kinds. Raises AdapterFault."""
    folders = (m.name for m in pkgutil.iter_modules(adapters.__path__) if m.ispkg and not m.name.startswith("_"))
    found: dict[str, str | Adapter[Any]] = {name.replace("_", "-"): name for name in folders if name not in _NO_CHANNELS}
    for adapter in _from_entry_points():
        if adapter.kind in found:
            raise AdapterFault(f"two adapters are named {adapter.kind!r}: uninstall one, or rename it")
        found[adapter.kind] = adapter
    return _Adapters(found)


class _Adapters(Mapping[str, Adapter[Any]]):
    """By kind, in the order of their kinds: plug-ins' adapters, and for ours the folder to import."""

    def __init__(self, found: Mapping[str, str | Adapter[Any]]) -> None:
        self._found = dict(sorted(found.items()))

    def __getitem__(self, kind: str) -> Adapter[Any]:
        found = self._found[kind]
        if isinstance(found, Adapter):
            return found
        adapter: Adapter[Any] = importlib.import_module(f"adapters.{found}").ADAPTER
        return adapter

    def __contains__(self, kind: object) -> bool:
        return kind in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _from_entry_points() -> list[Adapter[Any]]:
    found = []
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            adapter = point.load()
        except Exception as error:  # somebody else's code: name it, whatever it raised
            fix = "repair or uninstall the distribution that contains it"
            raise AdapterFault(
                f"the adapter {point.value!r} can't be imported ({type(error).__name__}: {error}): {fix}"
            ) from error
        if not isinstance(adapter, Adapter):
            raise AdapterFault(
                f"entry point {point.name!r} of {ENTRY_POINT_GROUP} is not an Adapter: it must name one, such as `package:ADAPTER`"
            )
        _require_known_contract(adapter, point)
        found.append(adapter)
    return found


def _require_known_contract(adapter: Adapter[Any], point: EntryPoint) -> None:
    if adapter.contract > CONTRACT:
        what_to_do = "upgrade byoc-gateway, or install an older release of the plug-in"
    elif adapter.contract < _OLDEST:
        what_to_do = "install a newer release of the plug-in"
    else:
        return
    raise AdapterFault(
        f"the adapter {point.value!r} is written for contract {adapter.contract}, and this gateway supports {_OLDEST} and {CONTRACT}: {what_to_do}"
    )


def outdated(adapter: Adapter[Any]) -> str | None:
    """The warning for an adapter that the next release will refuse, as a clause without its name; None for a current one."""
    if adapter.contract == CONTRACT:
        return None
    return (
        f"is written for contract {adapter.contract}, which this is the last release to support (the current one is {CONTRACT})"
    )


NEWER_PLUGIN = "Install a newer release of the plug-in before the gateway's next release."
