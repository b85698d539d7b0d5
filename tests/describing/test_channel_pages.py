"""docs/channels.md says what the adapters say."""

from __future__ import annotations

from pathlib import Path

from adapters.registry import load
from gateway.describing.channel_pages import page

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = load()


def rows(title: str) -> dict[str, list[str]]:
    """A table of the page, by its first column."""
    after = page(ADAPTERS).split(title, 1)[1].lstrip().splitlines()
    table = [line.strip("| ").split(" | ") for line in after[: after.index("")] if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in table}


def test_the_page_is_true() -> None:
    written = (ROOT / "docs" / "channels.md").read_text("utf-8")
    assert written == page(ADAPTERS), "renew it: byoc channels --markdown > docs/channels.md"


def test_every_channel_has_its_column_and_its_part() -> None:
    text = page(ADAPTERS)
    for kind, adapter in ADAPTERS.items():
        assert f"[{kind}](#{kind})" in text
        assert f'<a id="{kind}"></a>' in text
        assert f"## {adapter.title} (`{kind}`)" in text


def test_a_mark_stands_where_the_channel_can() -> None:
    kinds = list(ADAPTERS)
    line = page(ADAPTERS).split("| contact card |", 1)[1].splitlines()[0]
    cells = [cell.strip() for cell in line.rstrip("|").split("|")]
    assert {kind for kind, cell in zip(kinds, cells, strict=True) if cell == "✓"} == {
        kind for kind, adapter in ADAPTERS.items() if "message.contact" in adapter.capabilities.inbound
    }


def test_every_capability_has_words() -> None:
    """A name that the page has no words for would stand there as code."""
    assert "`message." not in page(ADAPTERS)
    assert "`say." not in page(ADAPTERS)


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{kind}.{name}"
        for kind, adapter in ADAPTERS.items()
        for name, field in adapter.account.model_fields.items()
        if not field.exclude and not field.description and not hasattr(field.annotation, "model_fields")
    ]
    assert silent == []
