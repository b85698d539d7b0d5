"""`stores:` gives an org a database of its own: what is in it, what is served from where, and that the others go on when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.signing import hmac_base64
from gateway import config
from gateway.app import Gateway
from gateway.errors import ConfigFaults
from gateway.shard import parts_of
from tests import postgresql
from tests.journal.outpost import line
from tests.world import Outside, outside, wait_until

SECRET = "a-secret-of-some-length"


def org(login: str) -> dict[str, Any]:
    return {
        "reps": {login: {"name": login.capitalize(), "tokens": [f"a-token-of-{login}"]}},
        "queues": {"support": {"name": "Support", "reps": [login]}},
    }


def raw(data_dir: Path, **more: Any) -> dict[str, Any]:
    """Two orgs with a channel each."""
    return {
        "data_dir": str(data_dir),
        "listen": {"port": 0},
        "media_secret": SECRET,
        "orgs": {"acme": org("ana"), "globex": org("gus")},
        "channels": {"ours": line("http://127.0.0.1:1"), "theirs": line("http://127.0.0.1:1", org="globex")},
        **more,
    }


@asynccontextmanager
async def served(data_dir: Path, **stores: Any) -> AsyncIterator[tuple[Gateway, Outside]]:
    gateway = Gateway(config.build(raw(data_dir, **stores)))
    async with gateway.running() as address, outside(address) as client:
        yield gateway, client


async def writes(there: Outside, channel_id: str, text: str) -> int:
    """A customer does, at LINE; the answer."""
    message = f'{{"type":"text","id":"{text}","quoteToken":"q","text":"{text}"}}'
    event = (
        f'{{"type":"message","message":{message},"timestamp":1,"source":{{"type":"user","userId":"U1"}},'
        f'"replyToken":"r","mode":"active","webhookEventId":"{text}","deliveryContext":{{"isRedelivery":false}}}}'
    )
    body = f'{{"destination":"U0","events":[{event}]}}'.encode()
    answer = await there.call(
        "POST", f"/webhooks/{channel_id}", data=body, headers={"x-line-signature": hmac_base64(SECRET, body)}
    )
    return answer.status


async def one_session(there: Outside, login: str) -> Any:
    async def listed() -> Any:
        await there.rep(login, f"a-token-of-{login}").present()
        items = await there.rep(login, f"a-token-of-{login}").items("/sessions")
        return items[0] if len(items) == 1 else None

    return await wait_until(listed, what=f"the session of {login}")


def counted(server: postgresql.Server, database: str) -> list[Any]:
    return server.execute("SELECT org, channel_id FROM byoc.sessions", database)


async def test_each_org_is_in_its_own_database(tmp_path: Path) -> None:
    server = postgresql.shared()
    first, second = server.new_database(), server.new_database()
    async with served(tmp_path, store=server.url(first), stores={"globex": server.url(second)}) as (gateway, there):
        assert [sorted(shard.loaded.orgs) for shard in gateway.shards] == [["acme"], ["globex"]]
        await wait_until(lambda: _ready(there), what="ready")
        assert await writes(there, "ours", "one") == 200
        assert await writes(there, "theirs", "two") == 200
        ours, theirs = await one_session(there, "ana"), await one_session(there, "gus")
        assert (ours["channel_id"], theirs["channel_id"]) == ("ours", "theirs")
        assert counted(server, first) == [("acme", "ours")]
        assert counted(server, second) == [("globex", "theirs")]
        assert (await there.rep("ana", "a-token-of-ana").get(f"/sessions/{theirs['id']}")).status == 404


async def _ready(there: Outside) -> bool:
    return (await there.call("GET", "/readyz")).status == 200


async def test_an_org_in_postgresql_beside_others_in_sqlite(tmp_path: Path) -> None:
    server = postgresql.shared()
    name = server.new_database()
    async with served(tmp_path, stores={"globex": server.url(name)}) as (_, there):
        assert await writes(there, "ours", "one") == 200
        await wait_until(lambda: _taken(there, "theirs", "two"), what="a webhook taken")
        await one_session(there, "ana")
        await one_session(there, "gus")
        assert counted(server, name) == [("globex", "theirs")]


async def _taken(there: Outside, channel_id: str, text: str) -> bool:
    return await writes(there, channel_id, text) == 200


@pytest.mark.timeout(180)
async def test_while_the_database_of_one_org_is_away_the_others_go_on(tmp_path: Path) -> None:
    shared = postgresql.shared()
    with postgresql.server(tmp_path / "pg") as own:
        stores = {"store": shared.url(shared.new_database()), "stores": {"globex": own.url()}}
        own.stop()
        async with served(tmp_path, **stores) as (_, there):
            ana, gus = there.rep("ana", "a-token-of-ana"), there.rep("gus", "a-token-of-gus")
            await wait_until(lambda: _ready(there), what="ready")
            assert await writes(there, "ours", "one") == 200
            assert await writes(there, "theirs", "two") == 503
            await one_session(there, "ana")
            assert (await gus.get("/sessions")).status == 503
            ready = await there.call("GET", "/readyz")
            assert ready.status == 200
            assert "can't be reached" in ready.json["remarks"]["stores"]
            own.start()
            await wait_until(lambda: _taken(there, "theirs", "two"), what="a webhook taken")
            await one_session(there, "gus")
            assert (await ana.get("/sessions")).status == 200


def test_orgs_of_one_address_share_a_shard(tmp_path: Path) -> None:
    one, two = "postgresql://byoc@127.0.0.1/one", "postgresql://byoc@127.0.0.1/two"
    orgs = {"acme": org("ana"), "globex": org("gus"), "initech": org("ina")}
    loaded = config.build(raw(tmp_path, orgs=orgs, store=one, stores={"globex": two, "initech": two}))
    parts = parts_of(loaded)
    assert [sorted(part.loaded.orgs) for part in parts] == [["acme"], ["globex", "initech"]]
    assert [sorted(part.loaded.channels) for part in parts] == [["ours"], ["theirs"]]


def test_an_org_that_isnt_there_has_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaults, match=r"stores\.globexx: there is no org 'globexx'"):
        config.build(raw(tmp_path, stores={"globexx": "postgresql://byoc@127.0.0.1/two"}))


@pytest.mark.parametrize(
    ("told", "where", "seconds"),
    [(5, {}, 5), (60, {}, 60), (5, {"store": "postgresql://h/db"}, 20), (60, {"stores": {"acme": "postgresql://h/db"}}, 60)],
)
def test_webhooks_are_not_put_off_before_one_process_can_take_over_from_another(
    tmp_path: Path, told: float, where: dict[str, Any], seconds: float
) -> None:
    loaded = config.build(raw(tmp_path, limits={"backlog_seconds": told}, **where))
    assert loaded.config.longest_backlog_seconds == seconds
    assert Gateway(loaded).pressure._most == seconds
