"""Who has no Salesforce needs none of its packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.processes import demo_process, run

# As if they weren't installed: an import of any of them fails.
WITHOUT: Final = (
    "import sys; sys.modules.update(dict.fromkeys(('grpc', 'grpc_tools', 'fastavro', 'google.protobuf')));"
    "from gateway.cli import main; main()"
)


@pytest.mark.acceptance
async def test_the_gateway_starts_without_them(tmp_path: Path) -> None:
    async with demo_process(tmp_path / "data", command=(sys.executable, "-c", WITHOUT, "demo")) as demo:
        assert demo.now.running


@pytest.mark.parametrize("words", ["channels", "salesforce setup --help", "simulate --help"])
async def test_a_command_runs_without_them(words: str) -> None:
    done = await run(sys.executable, "-c", WITHOUT, *words.split())
    assert done.code == 0, done.err
