"""The config of the demo: the cast of config/demo.yaml, an account for every channel, and a handset for every plug-in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adapters import registry
from gateway import config
from gateway.errors import ConfigFault, ConfigFaults

_NAME = "demo.yaml"


def cast_file() -> Path:
    """Beside the source, or where an installation puts it. Raises ConfigFaults."""
    here = Path(__file__).resolve().parents[2] / "config" / _NAME
    installed = Path(sys.prefix) / "share" / "byoc" / _NAME
    for path in (here, installed):
        if path.is_file():
            return path
    raise ConfigFaults([ConfigFault(str(here), "is missing", "Reinstall the gateway.")])


def load(port: int, data_dir: Path, places: Mapping[str, Any] | None = None) -> config.Loaded:
    """The demo's config for this port. `places`: settings for where it keeps things, if not in the folder. Raises ConfigFaults."""
    return config.build(raw(port, data_dir, places))


def raw(port: int, data_dir: Path, places: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same as plain data. Raises ConfigFaults."""
    # libyaml's parser, where PyYAML was built with it, takes a tenth of the time: that is noticed at every start of the demo.
    given: dict[str, Any] = yaml.load(cast_file().read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    origin = f"http://127.0.0.1:{port}"
    adapters = registry.load()
    channels: dict[str, Any] = given["channels"]
    for kind in adapters:
        if all(channel["kind"] != kind for channel in channels.values()):
            channels[kind] = {"kind": kind, "org": "demo", "queue": "support"}
    for channel_id, channel in channels.items():
        made_up = adapters[channel["kind"]].demo
        channel["account"] = made_up(channel_id, f"{origin}/sim/{channel_id}", f"{origin}/webhooks/{channel_id}")
    return {
        **given,
        **(places or {}),
        "public_url": origin,
        "listen": {"host": "127.0.0.1", "port": port},
        "data_dir": str(data_dir),
        "allow_private_media_hosts": [f"127.0.0.1:{port}"],
        # One machine plays everybody here.
        "limits": {"api_requests_per_minute": 100_000},
    }
