"""How the pages are served: what they may load, how they are kept, what they weigh."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from gateway import pages
from gateway.pages import ConnectorPage, OidcLogin, assets

STATIC = Path(pages.__file__).parent / "static"
DESK_MAX_BYTES = 59_000
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async for one in serving(demo=True):
        yield one


async def serving(*, demo: bool, oidc: OidcLogin | None = None) -> AsyncIterator[Client]:
    app = web.Application()
    pages.install(app, demo=demo, oidc=oidc)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


def policy_of(header: str) -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in header.split("; ")}


@pytest.mark.parametrize("path", ["/desk", "/phones"])
async def test_a_page_may_load_nothing_that_is_not_ours(client: Client, path: str) -> None:
    answer = await client.get(path)
    policy = policy_of(answer.headers["Content-Security-Policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/desk", "/phones"])
async def test_a_page_has_nothing_inline_and_names_only_files_that_are_there(client: Client, path: str) -> None:
    text = await (await client.get(path, headers={"Accept-Encoding": "identity"})).text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    named = re.findall(r'(?:src|href)="(/assets/[^"]+)"', text)
    assert len(named) > 10
    for address in named:
        answer = await client.get(address)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_page_is_asked_for_again_and_not_sent_again(client: Client) -> None:
    first = await client.get("/desk", headers={"Accept-Encoding": "identity"})
    assert first.headers["Cache-Control"] == "no-cache"
    again = await client.get("/desk", headers={"Accept-Encoding": "identity", "If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    packed = await client.get("/desk", headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]})
    assert packed.status == 200  # other bytes, other tag
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(await packed.read()) == await first.read()


async def test_a_file_of_another_version_is_served_but_not_kept(client: Client) -> None:
    answer = await client.get("/assets/0000000000000000/desk/main.js")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["desk.html", "../__init__.py", "%2e%2e/assets.py", "desk/nothing.js", "kit"])
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    version = assets.load(STATIC).version
    async with ClientSession() as session:
        url = URL(str(client.make_url("/")) + f"assets/{version}/{path}", encoded=True)
        async with session.get(url) as answer:
            assert answer.status == 404


async def test_the_phone_wall_is_the_demos() -> None:
    async for client in serving(demo=False):
        assert (await client.get("/phones")).status == 404
        text = await (await client.get("/desk", headers={"Accept-Encoding": "identity"})).text()
        assert "&quot;demo&quot;: false" in text


async def test_a_companys_sign_in_may_be_called_and_nothing_else() -> None:
    oidc = OidcLogin("https://login.example/authorize", "https://login.example/token", "desk")
    async for client in serving(demo=False, oidc=oidc):
        answer = await client.get("/desk")
        policy = policy_of(answer.headers["Content-Security-Policy"])
        assert policy["connect-src"] == ["'self'", "https://login.example"]


def test_the_desk_weighs_at_most_59_kb_packed() -> None:
    files = assets.load(STATIC).files
    weights = {path: len(file.packed or file.content) for path, file in files.items() if path.split("/")[0] in ("kit", "desk")}
    assert sum(weights.values()) <= DESK_MAX_BYTES, weights


def test_comments_are_left_out_and_lines_keep_their_numbers() -> None:
    script = b"// why\nimport x;\n/** What\n * it does. */\nconst a = 1; // stays\nconst b = `\n  text // here`;\n"
    assert assets.lightened("a.js", script) == b"\nimport x;\n\n\nconst a = 1; // stays\nconst b = `\n  text // here`;\n"
    assert assets.lightened("a.js", b"/** @type {T} */ (a).b;\nc;\n/** d */\n") == b"(a).b;\nc;\n\n"
    assert assets.lightened("a.css", b"/* a\nb */\np { color: red }") == b"\n\np { color: red }"
    assert assets.lightened("a.svg", b"<!-- // -->") == b"<!-- // -->"


@pytest.mark.parametrize("path", sorted(p.relative_to(STATIC).as_posix() for p in STATIC.rglob("*.js")))
def test_scripts_build_no_markup_and_run_no_text(path: str) -> None:
    """Customers' words become text nodes; whatever could make markup or code of them is not used at all."""
    script = (STATIC / path).read_text(encoding="utf-8")
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML|srcdoc|javascript:"
    )
    assert re.findall(forbidden, script) == []
    # What `lightened` relies on: no text runs over several lines, so nothing in one is taken for a comment.
    for line in assets.lightened(path, script.encode()).decode().splitlines():
        assert line.count("`") % 2 == 0, line


# ------------------------------------------------------------------------------------------- the connector in Salesforce


COMPANY = OidcLogin("https://id.example.com/authorize", "https://id.example.com/token", "desk")
FRAMES = ("https://example.my.salesforce.com", "https://example.lightning.force.com")


async def connector(**page: Any) -> AsyncIterator[Client]:
    app = web.Application()
    pages.install(app, demo=False, oidc=COMPANY, connector=ConnectorPage(FRAMES, **page))
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


async def test_the_connector_may_be_shown_by_the_org_alone_and_loads_nothing_that_is_not_ours() -> None:
    async for client in connector():
        answer = await client.get("/salesforce/connector")
        policy = policy_of(answer.headers["Content-Security-Policy"])
        assert policy["frame-ancestors"] == list(FRAMES)
        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == policy["style-src"] == ["'self'"]
        assert policy["connect-src"] == ["'self'", "https://id.example.com"]
        assert answer.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"  # the window that signs in hands over the token
        assert (await client.get("/desk")).headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert (await client.get("/salesforce/toolkit.js")).status == 404


async def test_the_toolkit_is_served_as_it_was_bundled(tmp_path: Path) -> None:
    bundle = tmp_path / "byoc-toolkit.js"
    bundle.write_text("export const x = 1; // theirs\n")
    async for client in connector(toolkit=bundle):
        answer = await client.get("/salesforce/toolkit.js")
        assert (await answer.text(), answer.content_type) == (bundle.read_text(), "text/javascript")
        page = await (await client.get("/salesforce/connector", headers={"Accept-Encoding": "identity"})).text()
        assert "/salesforce/toolkit.js" in page


async def test_without_salesforce_there_is_no_connector(client: Client) -> None:
    assert (await client.get("/salesforce/connector")).status == 404
