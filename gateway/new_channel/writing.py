"""Writes the folder. Its code is in `template/`, as modules that are checked with everything else; only names are changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters import registry
from gateway.errors import GatewayError
from gateway.new_channel.samples import fixtures

_TEMPLATE: Final = Path(__file__).parent / "template"
_NOT_THERE: Final = "# ruff: noqa: S101 - tests assert\n"
_MODULES: Final = ("__init__", "account", "wire", "inbound", "outbound", "simulator", "suite")


class BadName(GatewayError):
    """The channel can't be called so, or can't be written there; the text names the fix."""


@dataclass(frozen=True)
class Names:
    """One name in all its forms: the kind `tin-can`, the package `byoc_tin_can`, the classes `TinCan…`."""

    kind: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Raises BadName."""
        kind = name.lower().replace("_", "-")
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind) or len(kind) > 40:
            raise BadName(f"{name!r} is not a channel name: use letters and digits, separated by - or _, beginning with a letter")
        if kind in registry.load():
            raise BadName(f"there is already a channel {kind!r}; see `byoc channels`")
        return cls(kind)

    @property
    def package(self) -> str:
        """What is imported."""
        return f"byoc_{self.kind.replace('-', '_')}"

    @property
    def title(self) -> str:
        """For people."""
        return self.kind.replace("-", " ").capitalize()

    @property
    def classes(self) -> str:
        """The beginning of classes' names."""
        return "".join(word.capitalize() for word in self.kind.split("-"))

    def rename(self, text: str) -> str:
        """The template's text with this name. Hosts such as api.example.com stay."""
        text = text.replace("gateway.new_channel.template", self.package)
        text = re.sub(r"Example(?=[A-Z])", self.classes, text)
        text = text.replace("Example", self.title).replace("x-example-signature", f"x-{self.kind}-signature")
        return text.replace('"example"', f'"{self.kind}"').replace("/webhooks/example", f"/webhooks/{self.kind}")


def write(name: str, folder: Path | None = None) -> tuple[Path, list[Path]]:
    """The folder (`byoc-NAME` by default) and the files written into it. Raises BadName, OSError."""
    names = Names.of(name)
    root = folder or Path(f"byoc-{names.kind}")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadName(f"{root} is not empty: pass another --folder")
    written = []
    for path, content in sorted(_files(names).items()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        written.append(target)
    return root, written


def _files(names: Names) -> Mapping[str, bytes]:
    texts = {path: names.rename(text) for path, text in _sources(names)}
    return {path: text.encode() for path, text in texts.items()} | {
        f"tests/fixtures/{path}": content for path, content in fixtures(names.kind, names.title).items()
    }


def _sources(names: Names) -> Iterator[tuple[str, str]]:
    for module in _MODULES:
        yield f"{names.package}/{module}.py", (_TEMPLATE / f"{module}.py").read_text("utf-8")
    yield f"{names.package}/py.typed", ""
    yield "tests/test_channel.py", (_TEMPLATE / "checks.py").read_text("utf-8").replace(_NOT_THERE, "")
    yield ".gitattributes", "tests/fixtures/*.body -text\n"
    yield "pyproject.toml", _PYPROJECT.format(package=names.package, kind=names.kind)
    yield "README.md", _README.format(title=names.title)


_PYPROJECT: Final = """\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "byoc-{kind}"
version = "0.1.0"
description = "A channel of the BYOC gateway."
requires-python = ">=3.11"
dependencies = ["byoc-gateway"]

[project.optional-dependencies]
dev = ["pytest"]

# This line is how the gateway finds the channel.
[project.entry-points."byoc.adapters"]
{kind} = "{package}:ADAPTER"

# And this one is how it finds what the channel is tested with: for its grade, and to sign fixtures.
[project.entry-points."byoc.suites"]
{kind} = "{package}.suite:SUITE"

[tool.setuptools]
packages = ["{package}"]

[tool.setuptools.package-data]
{package} = ["py.typed"]

[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]
"""

_README: Final = """\
# {title}: a channel of the BYOC gateway

    pip install -e '.[dev]'     # beside byoc-gateway
    pytest                      # the checks that every channel must pass
    byoc channels               # it is listed
    byoc channels --grade       # how good it is, and what is missing for the next grade
    byoc demo                   # it has a handset at /phones

What was written is a channel that works, for a provider that doesn't exist. Change it into yours:

1. `account.py`: the settings that your provider's accounts have.
2. `inbound.py`, `verify`: how it proves its webhooks. Put its own test vectors into `tests/`.
3. `wire.py` and `inbound.py`, `parse`: every event that its pages list. What has no form is kept as unknown.
4. `outbound.py`: how it takes messages, and what its refusals mean.
5. `simulator.py`: its own side, written from its pages and not from your adapter.
6. `__init__.py`: what the channel is and can do. The checks hold you to it.
7. `tests/fixtures`: recorded requests, three files each; `headers.json` names the source, without which the checks refuse it. Work
   `expected.json` out from the provider's page: one that is copied from what the adapter gives proves nothing. `byoc inbox export --redact ID`
   makes a fixture from a real webhook, and marks it as unchecked until you have compared it.
8. `suite.py`: the test account, and how the provider signs.
"""
