"""A provider may stand behind an address with a path. The conformance kit and the demo cut it off alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters import registry
from adapters.contract import Account, HttpCall
from adapters.simulation.reaching import addresses_of, path_at, path_below
from gateway.config import Channel
from gateway.demo import cast
from tests.demo.test_wire import conversation, line_of
from tests.world import CHANNELS, demo

ROOT = "http://127.0.0.1:8090/sim/one"


def line_account(**addresses: str) -> Account:
    """LINE has three hosts."""
    adapter = registry.load()["line"]
    settings = adapter.demo("one", ROOT, "https://gw.example.test/webhooks/one") | addresses
    account: Account = adapter.account.model_validate(settings)
    return account.model_copy(update={"webhook_url": "https://gw.example.test/webhooks/one"})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://proxy.example/line/v2/bot/message/push?x=1", "/v2/bot/message/push"),
        ("https://proxy.example/line", ""),
        ("https://proxy.example/line/data/v2/bot", "/v2/bot"),
        ("https://proxy.example/liner/v2", None),
        ("https://gw.example.test/webhooks/one/x", None),
    ],
)
def test_what_stands_below_the_longest_address_counts(url: str, path: str | None) -> None:
    account = line_account(api_base="https://proxy.example/line", data_base="https://proxy.example/line/data")
    assert path_below(url, account) == path


@pytest.mark.parametrize(
    ("base", "arrives"),
    [
        (ROOT, "/sim/one/v2/bot/info"),
        (f"{ROOT}/line", "/sim/one/line/v2/bot/info"),  # as it was called
        ("https://proxy.example/line", "/sim/one/line/v2/bot/info"),  # by a proxy that puts our address first
        ("https://proxy.example/line", "/sim/one/v2/bot/info"),  # by one that puts it in the path's place
    ],
)
def test_the_demo_cuts_what_the_kit_cuts(base: str, arrives: str) -> None:
    account = line_account(api_base=base)
    assert path_at(arrives, account, "/sim/one") == path_below(f"{base}/v2/bot/info", account) == "/v2/bot/info"


def behind_a_path(channel: Channel) -> Channel:
    """The same channel, its provider's addresses one folder deeper."""
    account = channel.account
    deeper = {
        name: urlsplit(value)._replace(path=f"{urlsplit(value).path}/behind/a-proxy").geturl()
        for name, value in account
        if isinstance(value, str) and value.rstrip("/") in addresses_of(account)
    }
    return Channel(channel.id, channel.config, channel.adapter, account.model_copy(update=deeper))


async def test_in_the_demo_every_send_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load, called = cast.load, list[str]()

    def loaded(port: int, data_dir: Path, places: Any = None) -> Any:
        found = load(port, data_dir, places)
        found.channels = {key: one if key == "webchat" else behind_a_path(one) for key, one in found.channels.items()}
        return found

    monkeypatch.setattr(cast, "load", loaded)
    async with demo(tmp_path) as world:
        call = world.gateway.driver.call

        async def seen(http: HttpCall) -> Any:
            called.append(http.url)
            return await call(http)

        monkeypatch.setattr(world.gateway.driver, "call", seen)
        for channel_id in (one for one in CHANNELS if one != "webchat"):
            async with conversation(world, channel_id) as (ana, session_id):
                assert (await ana.say(session_id, f"good day on {channel_id}")).status == 201
                await line_of(world, channel_id, f"good day on {channel_id}")
    assert called
    assert all("/behind/a-proxy" in url for url in called)
