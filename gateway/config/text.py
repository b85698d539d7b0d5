"""From a config's text to plain data: YAML with references resolved, and the line of each value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from gateway.errors import ConfigFault, ConfigFaults

Steps: TypeAlias = tuple[int | str, ...]  # a path of keys and indexes: ("orgs", "acme", "reps")
_REFERENCE: Final = re.compile(r"\$\{([^}]+)\}")


class Places:
    """The place of a path of keys in the file, such as `gateway.yaml:12 channels.sms.kind`."""

    def __init__(self, name: str = "config", root: yaml.Node | None = None) -> None:
        self._name, self._root = name, root

    def of(self, path: Steps) -> str:
        """The nearest line that there is, and the path."""
        line = self._line(path)
        file = f"{self._name}:{line}" if line else self._name
        return " ".join(filter(None, [file, ".".join(str(step) for step in path)]))

    def _line(self, path: Steps) -> int | None:
        node, line = self._root, None
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
                if pair is None:
                    return line
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                return line
        return line


def line_of(place: str) -> int:
    """The line that a place names; 0 where it names none."""
    found = re.search(r":(\d+)(?: |$)", place)
    return int(found[1]) if found else 0


def read_file(path: Path) -> str:
    """The text of a config. Raises ConfigFaults."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        fix = "Give the path of a readable YAML file."
        raise ConfigFaults([ConfigFault(str(path), f"can't be read ({error.strerror})", fix)]) from error
    except UnicodeDecodeError as error:
        raise ConfigFaults([ConfigFault(str(path), "is not UTF-8 text", "Save it as UTF-8.")]) from error


def data_of(text: str, name: str, environment: Mapping[str, str]) -> tuple[Any, Places, list[ConfigFault]]:
    """The data with references resolved, the places of its parts, and the faults so far. Raises ConfigFaults for invalid YAML."""
    try:
        raw = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        fault = f"is not YAML ({getattr(error, 'problem', None) or 'it can not be read'})"
        raise ConfigFaults([ConfigFault(place, fault, "Check indentation, colons and quotes.")]) from error
    places = Places(name, root)
    faults = list(_twice(root, (), name))
    return _filled({} if raw is None else raw, (), environment, places, faults), places, faults


def _twice(node: yaml.Node | None, path: Steps, name: str) -> Iterator[ConfigFault]:
    """YAML lets a later key of the same name win without a word: a rep or a channel would be gone."""
    if isinstance(node, yaml.SequenceNode):
        for index, one in enumerate(node.value):
            yield from _twice(one, (*path, index), name)
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in first and key.value != "<<":
                place = f"{name}:{line} {'.'.join(map(str, (*path, key.value)))}"
                yield ConfigFault(place, f"is in line {first[key.value]} already", "Keep one of them or rename one.")
            first.setdefault(key.value, line)
            yield from _twice(value, (*path, key.value), name)


def _filled(value: Any, path: Steps, environment: Mapping[str, str], places: Places, faults: list[ConfigFault]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, (*path, key), environment, places, faults) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, (*path, index), environment, places, faults) for index, one in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        found = _referred(match[1], environment)
        if isinstance(found, ConfigFault):
            faults.append(ConfigFault(places.of(path), found.fault, found.fix))
            return ""
        return found

    return _REFERENCE.sub(replaced, value)


def _referred(name: str, environment: Mapping[str, str]) -> str | ConfigFault:
    """What a reference stands for. An empty secret would be no secret, so that is a fault, too."""
    if name.startswith("file:"):
        path = name.removeprefix("file:")
        fix = "Put the secret there or correct the path."
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            return ConfigFault("", f"the file {path} can't be read ({error.strerror})", fix)
        except UnicodeDecodeError:
            return ConfigFault("", f"the file {path} is not UTF-8 text", fix)
        return text or ConfigFault("", f"the file {path} is empty", fix)
    fix = "Set it before starting, or write the value here."
    if name not in environment:
        return ConfigFault("", f"the environment variable {name} is not set", fix)
    return environment[name] or ConfigFault("", f"the environment variable {name} is empty", fix)
