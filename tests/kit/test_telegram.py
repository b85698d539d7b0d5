"""A channel from another distribution: installed by pip, it is there, with no change anywhere else."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Demo
from tests.acceptance.test_every_channel import there_and_back
from tests.kit.installing import MYPY_CACHE, ROOT, byoc, install, run
from tests.ports import free_port
from tests.world import Outside, outside, wait_until

SOURCE = ROOT / "examples" / "telegram"
CONFIG = """
orgs:
  acme: {{reps: {{ana: {{name: Ana}}}}, queues: {{support: {{name: Support, reps: [ana]}}}}}}
channels:
  tg:
    kind: telegram
    org: acme
    queue: support
    account: {{{account}}}
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    place = tmp_path_factory.mktemp("telegram")
    return install(SOURCE, place / "site", place / "copy")


def test_its_own_tests_pass(target: Path) -> None:
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
    assert " passed" in run(*command, target=target, cwd=SOURCE)


def test_it_passes_strict_typing(target: Path) -> None:
    command = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(MYPY_CACHE), "byoc_telegram")
    assert "Success" in run(*command, target=target, cwd=SOURCE)


def test_the_tests_see_the_installed_one_only_where_it_is_installed(target: Path) -> None:
    assert "telegram: Telegram" in byoc("channels", target=target)
    assert "telegram" not in byoc("channels")


def test_it_has_a_grade_where_its_fixtures_are(target: Path) -> None:
    said = byoc("channels", "--grade", target=Path(f"{SOURCE}:{target}"))
    assert re.search(r"^telegram: silver \(", said, re.MULTILINE)
    assert "telegram: no grade here" in byoc("channels", "--grade", target=target)


def test_its_config_is_checked(target: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(CONFIG.format(account="bot_token: '1000:a-token-of-some-length', secret_tokens: [a-secret-of-some-length]"))
    assert "no fault" in byoc("check", "--config", str(config), target=target)
    config.write_text(CONFIG.format(account="bot_tokn: '1000:a-token-of-some-length', secret_tokens: [a-secret-of-some-length]"))
    said = byoc("check", "--config", str(config), target=target, good=False)
    assert "channels.tg.account.bot_token" in said
    assert "Did you mean `bot_token`?" in said
    assert "there is no adapter named 'telegram'" in byoc("check", "--config", str(config), good=False)


def test_it_stands_in_the_channels_page_and_in_the_example_config(target: Path) -> None:
    page = byoc("channels", "--markdown", target=target)
    assert "## Telegram (`telegram`)" in page
    assert "| `bot_token` | secret | **needed** | The bot's token, from BotFather. |" in page
    assert re.search(r"\[telegram\]\(#telegram\)", page)
    assert "kind: " in byoc("example-config", target=target).split("# Telegram", 1)[1]


def test_its_lines_are_counted_as_the_readme_says() -> None:
    files = sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "byoc_telegram").glob("*.py"))
    counted = run(sys.executable, "count_lines.py", *files, cwd=SOURCE).splitlines()
    told = (SOURCE / "README.md").read_text("utf-8").splitlines()
    assert [line.strip() for line in counted] == [line.strip() for line in told[-len(counted) :]]


@pytest.fixture
async def demo(target: Path, tmp_path: Path) -> AsyncIterator[Outside]:
    """`byoc demo` in a process of its own, with the plug-in installed."""
    made = Demo(free_port(), tmp_path / "data")
    process = await made.start(PYTHONPATH=str(target))
    try:
        async with outside(made.address) as world:
            yield world
    finally:
        await process.kill()


@pytest.mark.acceptance
async def test_text_and_picture_there_and_back_in_the_demo(demo: Outside) -> None:
    listed = (await demo.call("GET", "/phones/channels")).json["items"]
    (handset,) = [item for item in listed if item["id"] == "telegram"]
    assert (handset["kind"], handset["title"]) == ("telegram", "Telegram")
    ana = demo.rep("ana")
    await ana.present()
    await there_and_back(demo, ana, demo.customer("telegram"), "telegram")  # type: ignore[arg-type]  # it asks for no more
    metrics = (await demo.call("GET", "/metrics")).body.decode()
    assert re.search(r'byoc_webhooks_total\{channel="telegram",outcome="accepted"\} [1-9]', metrics)


@pytest.mark.acceptance
async def test_blocking_the_bot_ends_the_session_in_the_demo(demo: Outside) -> None:
    ana, kim = demo.rep("ana"), demo.customer("telegram")
    await ana.present()
    assert (await kim.says("hello")).status == 201
    session = await ana.take("telegram")
    assert (await kim.does("block")).status == 201

    async def ended() -> bool:
        return bool((await ana.get(f"/sessions/{session['id']}")).json["status"] == "ended")

    await wait_until(ended, what="the session has ended")
