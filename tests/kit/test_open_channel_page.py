"""docs/open-channel.md is true: its commands and its server run against a real gateway, and carry a conversation."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import Verdict
from adapters.open import ADAPTER
from adapters.open.outbound import _FAILURES
from adapters.open.wire import _READERS, CODES
from adapters.registry import load
from adapters.replies import sentence_of
from tests.acceptance.processes import BYOC, Process, start
from tests.kit.installing import ROOT
from tests.ports import free_port
from tests.world import Outside, outside, wait_until

PAGE = (ROOT / "docs" / "open-channel.md").read_text("utf-8")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
CONFIG = """
public_url: http://127.0.0.1:{port}
listen: {{port: {port}}}
data_dir: {data}
orgs:
  acme:
    reps: {{ana: {{name: Ana, supervisor: true, tokens: [token-of-ana]}}}}
    queues: {{support: {{name: Support, reps: [ana]}}}}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def the_pages_channel(port: int) -> str:
    """The channel as the page's YAML has it, with the server of the test."""
    (yaml,) = blocks("yaml")
    return yaml.replace("https://shop.example.com/byoc", f"http://127.0.0.1:{port}/byoc")


@dataclass
class Shop:
    """The gateway, the page's server, and the page's commands."""

    world: Outside
    server: Process
    address: str

    async def bash(self, script: str) -> tuple[int, str]:
        environment = {**os.environ, "URL": f"{self.address}/webhooks/shop", "SECRET": SECRET}
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", f"{blocks('sh')[0]}\n{script}", env=environment, stdout=-1, stderr=-2
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    async def server_says(self, words: str) -> str:
        """The next line of the server's that holds these words."""
        assert self.server.process.stdout is not None
        async with asyncio.timeout(15):
            while words not in (line := (await self.server.process.stdout.readline()).decode()):
                assert line, "the server has ended"
        return line


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    gateway_port, server_port = free_port(), free_port()
    config = tmp_path / "gateway.yaml"
    config.write_text(CONFIG.format(port=gateway_port, data=tmp_path / "data") + the_pages_channel(server_port))
    (program,) = blocks("python")
    (tmp_path / "server.py").write_text(f"print('ready', flush=True)\n{program}")
    log, environment = tmp_path / "log", {"SECRET": SECRET, "PORT": str(server_port), "SHOP_SECRET": SECRET}
    server = await start(sys.executable, str(tmp_path / "server.py"), ready="ready", log=log, environment=environment)
    gateway = await start(*BYOC, "serve", "--config", str(config), ready="/webhooks/shop", log=log, environment=environment)
    address = f"http://127.0.0.1:{gateway_port}"
    try:
        async with outside(address) as world:
            yield Shop(world, server, address)
    finally:
        await gateway.kill()
        await server.kill()


@pytest.mark.acceptance
async def test_the_commands_of_the_page_carry_a_conversation(shop: Shop) -> None:
    ana = shop.world.rep("ana", "token-of-ana")
    await ana.present()
    for script in blocks("sh")[1:]:
        code, said = await shop.bash(script)
        assert code == 0, f"{script}\n{said}"
        assert '"ok": true' in said, f"{script}\n{said}"

    async def told() -> list[Any]:
        sessions = await ana.items("/sessions")
        entries = [entry for one in sessions for entry in await ana.transcript(one["id"])]
        texts = [entry["text"] for entry in entries if entry["kind"] == "message"]
        return texts if "Are you there?" in " ".join(filter(None, texts)) else []

    # The page ends one conversation and begins another: take what is offered only once the second has arrived.
    texts = await wait_until(told, what="all that the page posts is in the transcript")
    session = await ana.take("shop")
    assert any("location: Shop" in (text or "") for text in texts), texts
    assert (await ana.say(session["id"], "On our way")).status == 201
    assert "kim-17" in await shop.server_says("On our way")


@pytest.mark.acceptance
async def test_what_the_page_shows_as_a_fault_is_one(shop: Shop) -> None:
    (script,) = blocks("sh fails")
    code, said = await shop.bash(script)
    assert code != 0
    assert '"fault": "files.0: url: a text is needed"' in said


@pytest.mark.acceptance
async def test_the_same_request_twice_is_one_message_and_a_wrong_secret_none(shop: Shop) -> None:
    ana = shop.world.rep("ana", "token-of-ana")
    await ana.present()
    body = '{"type": "message", "from": "lee-4", "text": "only once"}'
    for _ in range(2):
        assert (await shop.bash(f"post '{body}' same-id"))[0] == 0
    code, said = await shop.bash(f"SECRET=whsec_d3JvbmcgYnV0IGxvbmcgZW5vdWdo; post '{body}'")
    assert code != 0
    assert "not authentic" in said
    assert (await shop.bash("""post '{"type": "message", "from": "lee-4", "text": "the end"}'"""))[0] == 0
    session = await ana.take("shop")

    async def texts() -> list[str]:
        said = [e["text"] for e in await ana.transcript(session["id"]) if e["kind"] == "message"]
        return said if "the end" in said else []

    assert await wait_until(texts) == ["only once", "the end"]


# ---------------------------------------------------------------------------------------------- the page's tables


def test_the_demos_secret_is_the_one_on_the_page() -> None:
    (secret,) = ADAPTER.demo("open", "http://x", "http://x")["secrets"]
    assert secret in PAGE


def test_the_page_has_every_part_and_every_code() -> None:
    assert all(f"| `{name}` |" in PAGE for name in _READERS)
    told = dict(re.findall(r"^\| `(\w+)` \| ([A-Z].*) \|$", PAGE.split("### Your answers")[1], re.MULTILINE))
    assert told == {code: sentence_of(code, waits=_FAILURES[code].verdict is Verdict.again) for code in CODES}


def test_every_event_that_the_channel_takes_is_on_the_page() -> None:
    kinds = {name for name in load()["open"].capabilities.inbound if "." not in name} - {"unknown"}
    assert all(f'"type": "{kind}"' in PAGE for kind in kinds | {"message"})
