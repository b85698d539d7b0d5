"""The edge's inbox on a real server: acknowledged before it is answered, in order, stored once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from gateway.config.places import NatsConfig
from gateway.errors import GatewayError, StoreUnavailable
from gateway.nats_inbox.edge import NatsInbox
from gateway.nats_inbox.stream import channel_of, of_org, subject_of
from gateway.nats_inbox.waiting import waiting_in_stream
from gateway.store.inbox import SqliteInbox
from tests.nats import NatsServer, credentials, nats_server
from tests.nats_inbox.scenes import bodies, moving, until_empty, until_there
from tests.store.backends import keep
from tests.store.test_inbox import request
from tests.world import wait_until


async def test_what_was_put_comes_out_as_it_was(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox
) -> None:
    sent = request(bytes(range(256)), x_line_signature="abc", x_odd="caf\udce9")
    await keep(edge, "line", sent)
    async with moving(server, settings, store):
        (given,) = await until_there(store, "line", 1)
    row = await store.read(lambda rows: rows.one(1))
    assert row is not None
    assert (given, row.request) == (sent.body, sent)


async def test_credentials_that_were_checked_are_not_kept(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox
) -> None:
    await keep(edge, "apple", request(authorization="Bearer SECRET", x_kept="yes"))
    async with moving(server, settings, store):
        await until_there(store, "apple", 1)
    row = await store.read(lambda rows: rows.one(1))
    assert row is not None
    assert row.request.headers == {"x-kept": "yes"}


async def test_webhooks_of_a_channel_keep_their_order_however_many_gather(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox
) -> None:
    told: list[Exception | None] = []
    for number in range(3_000):
        edge.put("line", request(b"%d" % number), told.append)
        edge.put("sms.uk *", request(b"%d" % number), told.append)
        if number % 100 == 0:
            await asyncio.sleep(0.001)
    await wait_until(lambda: len(told) == 6_000)
    assert set(told) == {None}
    assert edge.unwritten_bytes() == 0
    async with moving(server, settings, store):
        for channel_id in ("line", "sms.uk *"):
            assert await until_there(store, channel_id, 3_000) == [b"%d" % number for number in range(3_000)]


async def test_nothing_is_answered_before_it_is_acknowledged(server: NatsServer, edge: NatsInbox) -> None:
    await keep(edge, "line", request())
    server.freeze()
    told: list[Exception | None] = []
    edge.put("line", request(b"1"), told.append)
    await asyncio.sleep(0.3)
    assert told == []
    assert edge.unwritten_bytes() > 0
    server.thaw()
    await wait_until(lambda: bool(told))


async def test_a_server_that_is_killed_while_webhooks_arrive_loses_and_doubles_nothing(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox
) -> None:
    """What was answered is there once and in order; what was refused may be there, and is sent again by the provider."""
    told: dict[int, Exception | None] = {}
    sent = 0
    for _ in range(3):
        for _ in range(150):
            edge.put("line", request(b"%d" % sent), partial(told.__setitem__, sent))
            sent += 1
            await asyncio.sleep(0.001)
        server.kill()
        for _ in range(50):
            edge.put("line", request(b"%d" % sent), partial(told.__setitem__, sent))
            sent += 1
            await asyncio.sleep(0.001)
        server.start()
    await wait_until(lambda: len(told) == sent)
    kept = [number for number, error in sorted(told.items()) if error is None]
    assert kept, "the server was soon back"
    async with moving(server, settings, store):
        await until_there(store, "line", len(kept))
        await asyncio.sleep(0.1)
    given = [int(row.request.body) for n in range(1, sent + 1) if (row := await store.read(lambda rows, n=n: rows.one(n)))]  # type: ignore[misc]
    assert given == sorted(set(given)), "in order, and once"
    assert set(kept) <= set(given)


async def test_a_server_that_freezes_is_left_for_a_while_and_what_it_had_is_stored_once(
    server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox
) -> None:
    server.freeze()
    told: list[Exception | None] = []
    for number in range(10):
        edge.put("line", request(b"%d" % number), told.append)
    await asyncio.sleep(2.5)  # by now it has been published a second time
    server.thaw()
    await wait_until(lambda: len(told) == 10)
    await keep(edge, "line", request(b"10"))
    async with moving(server, settings, store):
        given = await until_there(store, "line", 11)
    assert given == [b"%d" % number for number in range(11)]


async def test_while_no_server_is_there_webhooks_are_refused_and_then_taken_again(server: NatsServer, edge: NatsInbox) -> None:
    server.kill()
    with pytest.raises(StoreUnavailable):
        await keep(edge, "line", request())
    with pytest.raises(StoreUnavailable):
        await edge.ready()
    server.start()
    async with asyncio.timeout(60):
        while True:
            try:
                await keep(edge, "line", request())
                break
            except StoreUnavailable:
                await asyncio.sleep(0.1)
    await edge.ready()


async def test_an_edge_that_starts_before_the_servers_waits_for_them(tmp_path: Path, settings: NatsConfig) -> None:
    server = NatsServer(tmp_path / "nats")
    edge = NatsInbox(server.url, settings)
    await edge.open()
    with pytest.raises(StoreUnavailable, match="can't be reached"):
        await edge.ready()
    server.start()
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    await keep(edge, "line", request())
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
    finally:
        await edge.close()
        server.stop()


async def test_a_full_stream_refuses_until_there_is_room_again(tmp_path: Path, server: NatsServer, store: SqliteInbox) -> None:
    small = NatsConfig(max_bytes=300_000)
    edge = NatsInbox(server.url, small)
    await edge.open()
    answers = await asyncio.gather(*(keep(edge, "line", request(b"x" * 10_000)) for _ in range(20)), return_exceptions=True)
    for _ in range(20):
        answers += await asyncio.gather(keep(edge, "line", request(b"x" * 10_000)), return_exceptions=True)
    kept = answers.count(None)
    assert 10 < kept < len(answers)
    with pytest.raises(StoreUnavailable, match="maximum bytes"):
        await edge.ready()
    async with moving(server, small, store):
        await until_there(store, "line", kept)
        await until_empty(server, small)
        async with asyncio.timeout(60):
            while True:  # though nobody tried to put anything
                try:
                    await edge.ready()
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
        await keep(edge, "line", request(b"again"))
        assert await until_there(store, "line", 1) == [b"again"]
    await edge.close()


async def test_a_large_webhook_goes_alone(server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox) -> None:
    sizes = [10, 3_000_000, 10, 600_000, 600_000]
    told: list[Exception | None] = []
    for size in sizes:
        edge.put("line", request(b"x" * size), told.append)
    await wait_until(lambda: len(told) == len(sizes))
    edge.put("line", request(b"x" * 9_000_000), told.append)
    await wait_until(lambda: len(told) == len(sizes) + 1)
    assert told[:-1] == [None] * len(sizes)
    assert isinstance(told[-1], GatewayError)
    assert not isinstance(told[-1], StoreUnavailable), "it is at fault by itself"
    async with moving(server, settings, store):
        assert [len(body) for body in await until_there(store, "line", len(sizes))] == sizes


async def test_closing_keeps_what_was_put(server: NatsServer, settings: NatsConfig, store: SqliteInbox) -> None:
    edge = NatsInbox(server.url, settings)
    await edge.open()
    told: list[Exception | None] = []
    edge.put("line", request(b"last"), told.append)
    await edge.close()
    edge.put("line", request(b"late"), told.append)
    await wait_until(lambda: len(told) == 2)
    assert told[0] is None
    assert isinstance(told[1], StoreUnavailable)
    async with moving(server, settings, store):
        assert await until_there(store, "line", 1) == [b"last"]


async def test_servers_that_take_too_small_messages_are_a_fault(tmp_path: Path, settings: NatsConfig) -> None:
    with (
        nats_server(tmp_path / "nats", more="max_payload: 1MB") as server,
        pytest.raises(GatewayError, match="`max_payload: 8MB`"),
    ):
        await NatsInbox(server.url, settings, most_bytes=3 << 20).open()


async def test_wrong_credentials_are_a_fault_that_shows_no_password(tmp_path: Path, settings: NatsConfig) -> None:
    with nats_server(tmp_path / "nats", more='authorization { user: byoc, password: "ri/g@ht%" }') as server:
        wrong = NatsServer(tmp_path / "other")
        wrong.address = server.address.replace("://", "://byoc:SECRET@")
        with pytest.raises(GatewayError, match="the NATS servers refuse us: check the user and the password") as told:
            await NatsInbox(wrong.url, settings).open()
        assert "SECRET" not in str(told.value)
        wrong.address = server.address.replace("://", "://byoc:ri%2Fg%40ht%25@")
        edge = NatsInbox(wrong.url, settings)
        await edge.open()
        await keep(edge, "line", request())
        await edge.close()


async def test_the_permissions_that_the_page_lists_are_enough(tmp_path: Path, settings: NatsConfig, store: SqliteInbox) -> None:
    """docs/nats.md."""
    permissions = '{ publish: ["BYOC_INBOX.*", "$JS.API.>"], subscribe: ["_INBOX.>"] }'
    more = f"authorization {{ users: [{{ user: byoc, password: secret, permissions: {permissions} }}] }}"
    with nats_server(tmp_path / "nats", more=more) as server:
        server.address = server.address.replace("://", "://byoc:secret@")
        edge = NatsInbox(server.url, settings)
        await edge.open()
        await keep(edge, "line", request())
        assert (await waiting_in_stream(server.url, settings)).webhooks == 1
        async with moving(server, settings, store):
            await until_there(store, "line", 1)
            await until_empty(server, settings)
        await edge.close()


async def test_a_token_signs_in(tmp_path: Path, settings: NatsConfig) -> None:
    with nats_server(tmp_path / "nats", more='authorization { token: "a token" }') as server:
        server.address = server.address.replace("://", "://a%20token@")
        edge = NatsInbox(server.url, settings)
        await edge.open()
        await keep(edge, "line", request())
        await edge.close()


async def test_a_credentials_file_signs_in(tmp_path: Path) -> None:
    lines, file = credentials(tmp_path)
    with nats_server(tmp_path / "nats", more=lines) as server:
        edge = NatsInbox(server.url, NatsConfig(max_bytes=1 << 20, credentials_file=str(file)))
        await edge.open()
        await keep(edge, "line", request())
        await edge.close()
        with pytest.raises(GatewayError, match="the NATS servers refuse us"):
            await NatsInbox(server.url, NatsConfig()).open()
        with pytest.raises(GatewayError, match=r"not_there.creds can't be read \(nats.credentials_file\)"):
            await NatsInbox(server.url, NatsConfig(credentials_file=str(tmp_path / "not_there.creds"))).open()
        file.write_text("nonsense")
        with pytest.raises(GatewayError, match="isn't a NATS credentials file"):
            await NatsInbox(server.url, NatsConfig(credentials_file=str(file))).open()


async def test_another_stream_of_the_name_is_a_fault(server: NatsServer, settings: NatsConfig) -> None:
    from nats.aio.client import Client

    client = Client()
    await client.connect(server.address)
    await client.request("$JS.API.STREAM.CREATE.OTHER", b'{"name": "OTHER", "subjects": ["OTHER.*"], "storage": "memory"}')
    await client.close()
    with pytest.raises(GatewayError, match=r"the stream OTHER exists already with storage 'memory' .*discard 'old'"):
        await NatsInbox(server.url, settings, stream="OTHER").open()


async def test_a_stream_follows_the_configs_size(server: NatsServer, settings: NatsConfig, edge: NatsInbox) -> None:
    await keep(edge, "line", request())
    again = NatsInbox(server.url, NatsConfig(max_bytes=1))
    await again.open()
    with pytest.raises(StoreUnavailable, match="maximum bytes"):
        await keep(again, "line", request())
    await again.close()
    assert (await waiting_in_stream(server.url, settings)).webhooks == 1


async def test_a_server_without_jetstream_is_waited_for(
    tmp_path: Path, settings: NatsConfig, caplog: pytest.LogCaptureFixture
) -> None:
    server = NatsServer(tmp_path / "nats")
    text = server.configuration.read_text()
    server.configuration.write_text("\n".join(line for line in text.splitlines() if "jetstream" not in line))
    server.start()
    edge = NatsInbox(server.url, settings)
    await edge.open()
    with pytest.raises(StoreUnavailable, match="no JetStream"):
        await edge.ready()
    await edge.close()
    server.stop()
    failing = [record for record in caplog.records if getattr(record, "action", "") == "nats.failing"]
    assert len(failing) == 1, "one line, however often it is tried"


async def test_operators_see_what_waits(server: NatsServer, settings: NatsConfig, edge: NatsInbox, store: SqliteInbox) -> None:
    assert (await waiting_in_stream(server.url, settings, stream="NOT_MADE")).webhooks == 0
    empty = await waiting_in_stream(server.url, settings)
    assert (empty.webhooks, empty.oldest) == (0, None)
    before = datetime.now(UTC)
    await asyncio.gather(*(keep(edge, channel_id, request()) for channel_id in ("line", "line", "line", "sms")))
    waiting = await waiting_in_stream(server.url, settings)
    assert waiting.channels == {"line": 3, "sms": 1}
    assert waiting.oldest is not None
    assert abs((waiting.oldest - before).total_seconds()) < 60
    async with moving(server, settings, store):
        await until_there(store, "line", 3)
        await until_empty(server, settings)
    assert await bodies(store, "sms") == [b"{}"]


@pytest.mark.parametrize("channel_id", ["line", "sms.uk", "a b", "*", ">", "ünï", "a/b", "~x", "$JS.API", "%2E"])
def test_any_channel_has_a_subject(channel_id: str) -> None:
    subject = subject_of("IN", channel_id)
    assert subject.count(".") == 1
    assert not set(" *>\t\r\n$") & set(subject)
    assert channel_of("IN", subject) == channel_id
    assert "." not in of_org("IN", channel_id)
