"""The driver against real servers: what counts as sent, what is cached, and that no address leads inside."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.contract import Flow, FormFile, HttpCall, HttpReply, NoReply
from adapters.errors import SendFailed, Verdict
from gateway.journal.driver import AddressRefused, Driver, Unsendable
from gateway.journal.public_addresses import is_public
from tests.journal.provider import OddProvider, odd_provider, text
from tests.ports import free_port


class Time:
    """Seconds that are set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> AsyncIterator[OddProvider]:
    async with odd_provider() as one:
        yield one


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    one = Driver()
    yield one
    await one.close()


# ------------------------------------------------------------------------------------------------- addresses

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # a cloud's metadata
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "",
    "example.com",
]


@pytest.mark.parametrize("address", INSIDE)
def test_inside_is_inside_however_it_is_written(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_outside_is_outside(address: str) -> None:
    assert is_public(address)


SPELLINGS = ["127.0.0.1", "localhost", "2130706433", "127.1", "0", "0x7f.0.0.1", "0177.0.0.1", "[::1]", "localhost."]
SPELLINGS += ["[::ffff:127.0.0.1]", "127。0。0。1", "１２７.0.0.1", "127.0.0.1."]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_a_foreign_address_reaches_this_machine(host: str, provider: OddProvider, driver: Driver) -> None:
    port = provider.host.split(":")[1]
    with pytest.raises(NoReply) as refused:
        await driver.call(HttpCall("GET", f"http://{host}:{port}/file", foreign=True, timeout_seconds=5))
    assert not refused.value.sent
    assert provider.seen == []


@pytest.mark.parametrize(
    "url", [*(f"http://{host}:PORT/file" for host in SPELLINGS if host != "localhost."), "file:///etc/passwd", "http:///x"]
)
async def test_a_flow_that_a_forbidden_address_ends_isnt_to_be_run_again(url: str, provider: OddProvider, driver: Driver) -> None:
    """Not `localhost.`: whether that name is known at all is for the machine's resolver to say."""

    def fetch() -> Flow[HttpReply]:
        return (yield HttpCall("GET", url.replace("PORT", provider.host.split(":")[1]), foreign=True, timeout_seconds=5))

    with pytest.raises(SendFailed) as failed:
        await driver.run(fetch())
    assert (failed.value.verdict, failed.value.code) == (Verdict.dead, "media_address_refused")


async def test_a_name_that_isnt_known_now_may_be_known_later(driver: Driver) -> None:
    def fetch() -> Flow[HttpReply]:
        return (yield HttpCall("GET", "http://nowhere.invalid/file", foreign=True, timeout_seconds=5))

    with pytest.raises(SendFailed) as failed:
        await driver.run(fetch())
    assert failed.value.verdict is Verdict.again


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/x", "http:///x", "//example.com/x", "gopher://x/", ""])
async def test_only_http_is_spoken_to_foreigners(url: str, driver: Driver) -> None:
    with pytest.raises(NoReply) as refused:
        await driver.call(HttpCall("GET", url, foreign=True))
    assert not refused.value.sent


async def test_a_redirect_leads_no_further_inside_than_an_address(provider: OddProvider) -> None:
    async with odd_provider() as inner:
        driver = Driver(private_hosts=[provider.host])
        provider.will(text(status=302, Location=f"{inner.address}/secret"))
        with pytest.raises(NoReply):
            await driver.call(HttpCall("GET", f"{provider.address}/file", foreign=True))
        assert len(provider.seen) == 1
        assert inner.seen == []
        await driver.close()


async def test_a_redirect_to_another_host_takes_no_credentials_along(provider: OddProvider) -> None:
    async with odd_provider() as other:
        driver = Driver(private_hosts=[provider.host, other.host])
        provider.will(text(status=302, Location="/again"), text(status=307, Location=f"{other.address}/file"))
        headers = {"Authorization": "Bearer secret", "Accept": "image/*"}
        reply = await driver.call(HttpCall("GET", f"{provider.address}/file", headers=headers, foreign=True))
        assert (reply.status, reply.body) == (200, b"fine")
        assert [seen.headers.get("authorization") for seen in provider.seen] == ["Bearer secret"] * 2
        assert [(seen.headers.get("authorization"), seen.headers["accept"]) for seen in other.seen] == [(None, "image/*")]
        await driver.close()


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_redirect_leads_only_where_the_call_allows(allowed: bool, provider: OddProvider) -> None:
    async with odd_provider() as other:
        driver = Driver(private_hosts=[provider.host, other.host])
        provider.will(text(status=302, Location=f"{other.address}/file"))
        asked = list[str]()

        def leads_to(url: str) -> bool:
            asked.append(url)
            return allowed

        call = HttpCall("GET", f"{provider.address}/file", foreign=True, leads_to=leads_to)
        if allowed:
            assert (await driver.call(call)).body == b"fine"
        else:
            with pytest.raises(AddressRefused):
                await driver.call(call)
        assert asked == [f"{other.address}/file"]
        assert len(other.seen) == allowed
        await driver.close()


async def test_redirects_have_an_end(provider: OddProvider) -> None:
    driver = Driver(private_hosts=[provider.host])
    provider.will(text(status=302, Location="/again"))
    with pytest.raises(NoReply, match="redirects"):
        await driver.call(HttpCall("GET", f"{provider.address}/file", foreign=True))
    assert len(provider.seen) <= 7
    await driver.close()


async def test_our_own_calls_follow_no_redirect(provider: OddProvider, driver: Driver) -> None:
    provider.will(text(status=302, Location="http://elsewhere.example/"))
    assert (await driver.call(HttpCall("POST", f"{provider.address}/send"))).status == 302


# ------------------------------------------------------------------------------------------- what was sent


async def test_who_isnt_there_cant_have_got_it(driver: Driver) -> None:
    with pytest.raises(NoReply) as lost:
        await driver.call(HttpCall("POST", f"http://127.0.0.1:{free_port()}/send", body=b"x"))
    assert not lost.value.sent


@pytest.mark.parametrize("token", ["“a-token”", "a-tökén", "a-tok\nen", "a-tok\ren", "a-tok\0en", "a-tok\x7fen"])
async def test_a_header_that_cant_be_written_never_leaves(token: str, provider: OddProvider, driver: Driver) -> None:
    """Nothing of its value is in the error, nor in what the error was made of."""
    with pytest.raises(Unsendable) as lost:
        await driver.call(HttpCall("POST", f"{provider.address}/send", headers={"Authorization": f"Bearer {token}"}, body=b"x"))
    assert not lost.value.sent
    assert not provider.seen
    assert "Authorization" in str(lost.value)
    assert "tok" not in "".join(traceback.format_exception(lost.value)).replace("{token}", "")
    assert lost.value.__cause__ is None
    assert lost.value.__context__ is None


async def test_a_request_that_cant_be_built_never_leaves(provider: OddProvider, driver: Driver) -> None:
    with pytest.raises(Unsendable) as lost:
        await driver.call(HttpCall("PÖST", f"{provider.address}/send", body=b"x"))
    assert not lost.value.sent
    assert not provider.seen


async def test_who_hung_up_may_have_it(provider: OddProvider, driver: Driver) -> None:
    provider.will(None)
    with pytest.raises(NoReply) as lost:
        await driver.call(HttpCall("POST", f"{provider.address}/send", body=b"x"))
    assert lost.value.sent
    assert len(provider.seen) == 1, "nobody tries again behind our back"


async def test_who_doesnt_answer_in_time_may_have_it(provider: OddProvider, driver: Driver) -> None:
    provider.may_answer.clear()
    with pytest.raises(NoReply) as lost:
        await driver.call(HttpCall("POST", f"{provider.address}/send", body=b"x", timeout_seconds=0.2))
    assert lost.value.sent


async def test_an_answer_without_end_is_cut(provider: OddProvider, driver: Driver) -> None:
    provider.will(text("x" * 2_000))
    assert len((await driver.call(HttpCall("GET", f"{provider.address}/a", max_reply_bytes=2_000))).body) == 2_000
    with pytest.raises(NoReply, match="longer than"):
        await driver.call(HttpCall("GET", f"{provider.address}/a", max_reply_bytes=1_999))


async def test_a_form_arrives_as_a_form(provider: OddProvider, driver: Driver) -> None:
    file = FormFile("file", "dot.png", "image/png", b"\x89PNG")
    await driver.call(HttpCall("POST", f"{provider.address}/media", fields={"type": "image"}, files=(file,)))
    (seen,) = provider.seen
    assert seen.headers["content-type"].startswith("multipart/form-data; boundary=")
    for expected in (b'name="type"', b"image", b'filename="dot.png"', b"Content-Type: image/png", b"\x89PNG"):
        assert expected in seen.body


# ------------------------------------------------------------------------------------------------- verdicts


def flow(url: str, *, visible: bool | None, method: str = "POST") -> Flow[HttpReply]:
    """One call, nothing caught."""
    return (yield HttpCall(method, url, visible=visible, timeout_seconds=0.2))


@pytest.mark.parametrize(("visible", "verdict"), [(True, Verdict.unknown), (False, Verdict.again)])
async def test_a_lost_answer_is_unknown_only_where_the_customer_may_see_it(
    visible: bool, verdict: Verdict, provider: OddProvider, driver: Driver
) -> None:
    provider.will(None)
    with pytest.raises(SendFailed) as failed:
        await driver.run(flow(provider.address, visible=visible))
    assert failed.value.verdict is verdict


@pytest.mark.parametrize(
    ("method", "sending", "verdict"),
    [
        ("POST", True, Verdict.unknown),
        ("GET", True, Verdict.again),
        ("POST", False, Verdict.again),
    ],
)
async def test_of_a_call_that_does_not_say_the_worst_is_believed_while_a_message_is_sent(
    method: str, sending: bool, verdict: Verdict, provider: OddProvider, driver: Driver
) -> None:
    """An adapter of the release before may yield one; sent twice would be worse than asking a person. A file may be fetched again at any time."""
    begun: list[bool] = []

    async def begin() -> None:
        begun.append(True)

    provider.will(None)
    with pytest.raises(SendFailed) as failed:
        await driver.run(flow(provider.address, visible=None, method=method), before_visible=begin if sending else None)
    assert (failed.value.verdict, bool(begun)) == (verdict, verdict is Verdict.unknown)


async def test_what_never_left_is_tried_again(driver: Driver) -> None:
    with pytest.raises(SendFailed) as failed:
        await driver.run(flow(f"http://127.0.0.1:{free_port()}", visible=True))
    assert failed.value.verdict is Verdict.again


async def test_a_flow_may_catch_a_lost_answer_and_ask(provider: OddProvider, driver: Driver) -> None:
    def asking() -> Generator[HttpCall, HttpReply, str]:
        try:
            yield HttpCall("POST", f"{provider.address}/send", visible=True)
        except NoReply:
            return (yield HttpCall("GET", f"{provider.address}/was-it-sent")).body.decode()
        return "sent"

    provider.will(None, text("it was"))
    assert await driver.run(asking()) == "it was"


# -------------------------------------------------------------------------------------------------- caching


async def test_a_good_answer_is_kept_for_its_time(provider: OddProvider) -> None:
    time = Time()
    driver = Driver(time=time)
    provider.will(text("one"), text("two"))
    call = HttpCall("GET", f"{provider.address}/token", cache_seconds=60)
    assert [(await driver.call(call)).body for _ in range(2)] == [b"one", b"one"]
    other = HttpCall("GET", f"{provider.address}/token", headers={"Authorization": "another account"}, cache_seconds=60)
    assert (await driver.call(other)).body == b"two", "another account's answer is another answer"
    time.now += 61
    assert (await driver.call(call)).body == b"two"
    await driver.close()


async def test_a_bad_answer_is_not_kept(provider: OddProvider, driver: Driver) -> None:
    provider.will(text("no", status=503), text("yes"))
    call = HttpCall("GET", f"{provider.address}/token", cache_seconds=60)
    assert [(await driver.call(call)).status for _ in range(2)] == [503, 200]


async def test_an_address_is_called_as_it_was_given(provider: OddProvider, driver: Driver) -> None:
    """A signature may be over it; only what no address can have is escaped."""
    for path in ("/a%2Fb/%7Ec?x=%41+%20&y=a=b&&z", "/a/../b?next=https://x/?y", "/plain"):
        await driver.call(HttpCall("GET", f"{provider.address}{path}"))
        assert provider.seen[-1].path == path
    await driver.call(HttpCall("GET", f"{provider.address}/a b?ü"))
    assert provider.seen[-1].path == "/a%20b?%C3%BC"


async def test_no_header_is_added_that_says_what_a_body_is(provider: OddProvider, driver: Driver) -> None:
    await driver.call(HttpCall("POST", f"{provider.address}/send", body=b"x"))
    await driver.call(HttpCall("POST", f"{provider.address}/send"))
    (with_body, without) = provider.seen
    assert "content-type" not in with_body.headers
    assert (with_body.body, without.body) == (b"x", b"")
    assert {seen.headers["user-agent"] for seen in provider.seen} == {"byoc-gateway"}


async def test_names_in_a_form_break_out_of_no_header(provider: OddProvider, driver: Driver) -> None:
    file = FormFile("file", 'a"b\r\nc ü.png', "image/png", b"\x89PNG")
    await driver.call(HttpCall("POST", f"{provider.address}/media", fields={'x"\r\ny': "1\r\n2"}, files=(file,)))
    body = provider.seen[0].body
    assert 'filename="a%22b%0D%0Ac ü.png"'.encode() in body
    assert b'name="x%22%0D%0Ay"\r\n\r\n1\r\n2\r\n--' in body


# ------------------------------------------------------------------------------------------------------- proxies


@asynccontextmanager
async def http_proxy(answer: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that answers by itself, and the heads of what it was asked."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://user:word@127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


@pytest.mark.parametrize("foreign", [False, True])
async def test_a_call_goes_through_its_proxy(foreign: bool, driver: Driver) -> None:
    """The proxy looks the name up, and may be on a private address, also for an address that a provider named."""
    async with http_proxy(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi") as (url, heads):
        reply = await driver.call(HttpCall("GET", "http://org.example/path", foreign=foreign, proxy=url))
    assert (reply.status, reply.body) == (200, b"hi")
    assert heads[0].startswith("GET http://org.example/path HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dXNlcjp3b3Jk" in heads[0]
    assert "word" not in repr(HttpCall("GET", "http://org.example/path", proxy=url))


async def test_what_a_proxy_refuses_to_connect_was_never_sent(driver: Driver) -> None:
    async with http_proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as (url, heads):
        with pytest.raises(NoReply) as lost:
            await driver.call(HttpCall("POST", "https://org.example/path", body=b"x", proxy=url))
    assert heads[0].startswith("CONNECT org.example:443 HTTP/1.1\r\n")
    assert not lost.value.sent


async def test_a_private_address_is_refused_behind_a_proxy_too(driver: Driver) -> None:
    async with http_proxy(b"") as (url, heads):
        with pytest.raises(NoReply):
            await driver.call(HttpCall("GET", "http://169.254.169.254/", foreign=True, proxy=url))
    assert heads == []
