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


@pytest.mark.parametrize("words", ["demo --broker salesforce --port 0 --data", "simulate salesforce --port 0 --data"])
async def test_what_needs_them_says_so(words: str, tmp_path: Path) -> None:
    done = await run(sys.executable, "-c", WITHOUT, *words.split(), str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert "install byoc-gateway[salesforce]" in done.err
    assert "Traceback" not in done.err
