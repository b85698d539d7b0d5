"""Reads the configuration from YAML and the environment, and reports every fault at once.

A text may hold `${NAME}` (an environment variable) or `${file:/path}` (a file's content, say a mounted secret).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from adapters import registry
from gateway.config.checks import cross_check, secret_faults, secret_faults_among, warnings_of
from gateway.config.faults import did_you_mean, fault_of, sound_part
from gateway.config.model import Channel, ChannelConfig, GatewayConfig, Loaded
from gateway.config.text import Places, data_of, line_of, read_file
from gateway.errors import ConfigFault, ConfigFaults

_MOST_ROUNDS: Final = 20  # of removing what is wrong; each goes at least one step up


def load(path: Path, *, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read, check and build. Raises ConfigFaults with everything that is wrong."""
    return loads(read_file(path), name=str(path), environment=os.environ if environment is None else environment)


def loads(text: str, *, name: str = "config", environment: Mapping[str, str]) -> Loaded:
    """As `load`, of a text."""
    return build(*data_of(text, name, environment))


def build(raw: Any, places: Places | None = None, faults: Sequence[ConfigFault] = ()) -> Loaded:
    """Validate plain data; `faults` were found in it before. Raises ConfigFaults."""
    places, told = places or Places(), list(faults)
    unfilled = [fault.place.partition(" ")[2] for fault in faults]
    config = _validated(raw, places, told)
    channels: dict[str, Channel] = {}
    if config is not None:
        for key, channel in config.channels.items():
            built = _channel(key, channel, config.public_url, places)
            if isinstance(built, Channel):
                channels[key] = built
                told += secret_faults(built.account, ("channels", key, "account"), places)
            else:
                told += built
        told += cross_check(config, raw, places)
    if told or config is None:
        raise ConfigFaults(_in_order(told, unfilled))
    return Loaded(config, channels, list(warnings_of(config, places)))


def _validated(raw: Any, places: Places, told: list[ConfigFault]) -> GatewayConfig | None:
    """The config. If it has faults, its valid parts, so that later checks can report theirs in the same run."""
    for round_of_checks in range(_MOST_ROUNDS):
        try:
            return GatewayConfig.model_validate(raw)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        # Later rounds lack what an earlier one removed; that is not a fault of the file.
        told += [fault_of(one, places, GatewayConfig) for one in errors if round_of_checks == 0 or one["type"] != "missing"]
        raw = sound_part(raw, errors)
    return None


def _in_order(faults: Sequence[ConfigFault], unfilled: Sequence[str]) -> list[ConfigFault]:
    """Faults in the file's order, one for each place. Faults that only follow from an unresolved reference are left out."""
    first: dict[str, ConfigFault] = {}
    for fault in faults:
        path = fault.place.partition(" ")[2]
        if not any(one.startswith(f"{path}.") for one in unfilled):
            first.setdefault(fault.place, fault)
    return sorted(first.values(), key=lambda fault: line_of(fault.place))


def _channel(key: str, config: ChannelConfig, public_url: str, places: Places) -> Channel | list[ConfigFault]:
    found = registry.load()
    adapter = found.get(config.kind)
    if adapter is None:
        fix = did_you_mean(config.kind, list(found)) or f"Use one of these: {', '.join(found)}."
        return [ConfigFault(places.of(("channels", key, "kind")), f"there is no adapter named {config.kind!r}", fix)]
    given = {**config.account, "channel_id": key, "webhook_url": f"{public_url}/webhooks/{key}"}
    try:
        account = adapter.account.model_validate(given)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        at = ("channels", key, "account")
        told = [fault_of(one, places, adapter.account, at) for one in errors]
        return [*told, *secret_faults_among(given, adapter.account, at, places)]
    return Channel(key, config, adapter, account)
