"""The pages that people look at: the reps' desk, and in the demo the phone wall. Plain files, no build step.

`install` reads, hashes and packs the files once; a request is answered from memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from gateway.pages import assets as asset_files
from gateway.pages import headers, pagefiles
from gateway.pages.assets import Asset, Assets

__all__ = ["ConnectorPage", "OidcLogin", "install"]

_STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class OidcLogin:
    """A company's sign-in for the desk: authorization code with PKCE. The page does it itself, so no secret is needed."""

    authorization_endpoint: str
    token_endpoint: str
    client_id: str
    scope: str = "openid profile"
    name: str = "your company"

    @property
    def origin(self) -> str:
        """Where the page exchanges the code for a token."""
        parts = urlsplit(self.token_endpoint)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class ConnectorPage:
    """The page at a contact center's `connectorUrl`. `frames`: origins of Salesforce that may show it; `toolkit`: Salesforce's connector toolkit, bundled as one
    ES module."""

    frames: tuple[str, ...]
    toolkit: Path | None = None


def install(app: web.Application, *, demo: bool, oidc: OidcLogin | None = None, connector: ConnectorPage | None = None) -> None:
    """Serve `/desk` and `/assets/…`, in the demo `/phones` too, and `/salesforce/connector` where there is one. Raises KeyError when a page names a file
    that isn't there, OSError when the toolkit can't be read."""
    files = asset_files.load(_STATIC)
    settings = {"demo": demo, "oidc": asdict(oidc) if oidc else None}
    policy = headers.content_security_policy([oidc.origin] if oidc else [])
    _serve_page(app, "/desk", _page("desk", files, settings), policy)
    if demo:
        _serve_page(app, "/phones", _page("phones", files, settings), headers.content_security_policy())
    if connector is not None:
        _serve_connector(app, connector, files, settings, oidc)
    _serve_assets(app, files)


def _serve_connector(
    app: web.Application, connector: ConnectorPage, files: Assets, settings: Mapping[str, object], oidc: OidcLogin | None
) -> None:
    address = None
    if connector.toolkit is not None:
        toolkit = asset_files.asset_of("toolkit.js", connector.toolkit.read_bytes())
        address = "/salesforce/toolkit.js"
        app.router.add_get(address, _answering(toolkit, {"Cache-Control": headers.ASK_FIRST}))
    page = _page("connector", files, {**settings, "toolkit": address})
    policy = headers.content_security_policy([oidc.origin] if oidc else [], connector.frames)
    # The window that signs in hands the token to this page, which a policy for openers would keep from it.
    extra = {"Cross-Origin-Opener-Policy": "unsafe-none", "Cross-Origin-Resource-Policy": "cross-origin"}
    _serve_page(app, "/salesforce/connector", page, policy, extra)


def _page(name: str, files: Assets, settings: Mapping[str, object]) -> Asset:
    return pagefiles.page(name, (_STATIC / f"{name}.html").read_text(encoding="utf-8"), files, settings)


def _serve_page(app: web.Application, path: str, page: Asset, policy: str, more: Mapping[str, str] | None = None) -> None:
    extra = {"Content-Security-Policy": policy, "Cache-Control": headers.ASK_FIRST, **(more or {})}
    app.router.add_get(path, _answering(page, extra))


def _answering(file: Asset, extra: Mapping[str, str]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return _answer(request, file, extra)

    return answer


def _serve_assets(app: web.Application, files: Assets) -> None:
    async def answer(request: web.Request) -> web.Response:
        asset = files.files.get(request.match_info["path"])
        if asset is None:
            raise web.HTTPNotFound(headers=headers.COMMON)
        # A page from before an upgrade asks by its old version: it gets the file as it now is, but may not keep it under that name.
        current = request.match_info["version"] == files.version
        return _answer(request, asset, {"Cache-Control": headers.FOREVER if current else headers.ASK_FIRST})

    app.router.add_get("/assets/{version:[0-9a-f]+}/{path:.+}", answer)


def _answer(request: web.Request, asset: Asset, extra: Mapping[str, str]) -> web.Response:
    packed = asset.packed if "gzip" in request.headers.get("Accept-Encoding", "") else None
    etag = f'"{asset.etag}{"-gzip" if packed is not None else ""}"'
    common = {**headers.COMMON, **extra, "ETag": etag, "Vary": "Accept-Encoding"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if etag in known or known == ["*"]:
        return web.Response(status=304, headers=common)
    if packed is not None:
        common["Content-Encoding"] = "gzip"
    return web.Response(body=asset.content if packed is None else packed, headers={**common, "Content-Type": asset.mime_type})
