"""What `byoc channels` prints: each installed adapter, and what it can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters import levels, registry
from adapters.contract import Adapter
from adapters.levels import Level


def lines(adapters: Mapping[str, Adapter[Any]]) -> Iterator[str]:
    """For people."""
    for kind, adapter in adapters.items():
        can = adapter.capabilities
        yield f"{kind}: {adapter.title}"
        if warning := registry.outdated(adapter):
            yield f"  warning: {warning}. {registry.NEWER_PLUGIN}"
        yield f"  in:    {_by_level(levels.inbound(can))}"
        yield f"  out:   {_by_level(levels.outbound(can))}"
        yield f"  files: {_by_level(levels.media_types(can))}"
        sizes = ", ".join(f"{rule.media} up to {rule.max_bytes // 1024} kB" for rule in can.files) or "as links"
        yield f"  texts of {can.max_text} {can.text_unit}; files: {sizes}; speaker: {can.speaker}"
        yield f"  receipts: {', '.join(sorted(can.receipts)) or 'none'}; window: {can.window or 'none'}"


def _by_level(found: Mapping[str, Level]) -> str:
    """`full: a, b; degraded: c`, the best first."""
    names = {level: [name for name, one in found.items() if one == level] for level in reversed(Level)}
    return "; ".join(f"{level}: {', '.join(of_level)}" for level, of_level in names.items() if of_level)


def for_programs(adapters: Mapping[str, Adapter[Any]]) -> dict[str, Any]:
    """As JSON, by kind."""
    return {
        kind: {
            "title": adapter.title,
            "contract": adapter.contract,
            **adapter.capabilities.model_dump(mode="json"),
            "levels": {
                "inbound": levels.inbound(adapter.capabilities),
                "outbound": levels.outbound(adapter.capabilities),
                "media_types": levels.media_types(adapter.capabilities),
            },
            "settings": adapter.account.model_json_schema(),
        }
        for kind, adapter in adapters.items()
    }
