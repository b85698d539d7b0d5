"""The pages on adding a channel say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.conformance import CHECKS
from adapters.registry import load

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "adapters" / "README.md").read_text("utf-8")
ADDING = (ROOT / "docs" / "adding-a-channel.md").read_text("utf-8")


def test_every_check_is_explained_and_no_other() -> None:
    table = README.split("| check | demands |")[1]
    told = re.findall(r"^\| `(\w+)", table, re.MULTILINE)
    assert told == ["parses", *(check.__name__.removeprefix("check_") for check in CHECKS)]


def test_every_tool_of_the_kit_is_named() -> None:
    modules = {path.name for path in (ROOT / "adapters").glob("*.py")} - {"__init__.py"}
    own = {"envelope.py", "errors.py", "made.py", "registry.py", "simulated.py"}
    table = README.split("## The kit's tools")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+\.py)`", table, re.MULTILINE)) | own == modules


def test_the_words_in_the_tools_table_exist() -> None:
    table = README.split("## The kit's tools")[1].split("\n## ")[0]
    for module, words in re.findall(r"^\| `(\w+)\.py` \| (.*) \|$", table, re.MULTILINE):
        source = (ROOT / "adapters" / f"{module}.py").read_text("utf-8")
        missing = [word for word in re.findall(r"`(\w+)`", words) if not re.search(rf"(def|class) {word}\b", source)]
        assert missing == [], module


def test_the_channels_to_copy_from_exist() -> None:
    table = ADDING.split("### Which channel to copy from")[1].split("\n### ")[0]
    for name in re.findall(r"`([\w/-]+)`", table):
        assert name in load() or (ROOT / name).is_dir(), name


@pytest.mark.parametrize("page", ["adapters/README.md", "docs/adding-a-channel.md", "docs/open-channel.md", "docs/channels.md"])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target
