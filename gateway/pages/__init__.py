"""The pages that people look at: the reps' desk, and in the demo the phone wall. Plain files, no build step.

`install` reads, hashes and packs the files once; a request is answered from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from gateway.pages import assets as asset_files
from gateway.pages import headers, pagefiles
from gateway.pages.assets import Asset, Assets

__all__ = ["OidcLogin", "install"]

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


def install(app: web.Application, *, demo: bool, oidc: OidcLogin | None = None) -> None:
    """Serve `/desk` and `/assets/…`, in the demo `/phones` too. Raises KeyError when a page names a file that isn't there."""
    files = asset_files.load(_STATIC)
    settings = {"demo": demo, "oidc": asdict(oidc) if oidc else None}
    policy = headers.content_security_policy([oidc.origin] if oidc else [])
    _serve_page(app, "/desk", _page("desk", files, settings), policy)
    if demo:
        _serve_page(app, "/phones", _page("phones", files, settings), headers.content_security_policy())
    _serve_assets(app, files)


def _page(name: str, files: Assets, settings: Mapping[str, object]) -> Asset:
    return pagefiles.page(name, (_STATIC / f"{name}.html").read_text(encoding="utf-8"), files, settings)


def _serve_page(app: web.Application, path: str, page: Asset, policy: str) -> None:
    extra = {"Content-Security-Policy": policy, "Cache-Control": headers.ASK_FIRST}

    async def answer(request: web.Request) -> web.Response:
        return _answer(request, page, extra)

    app.router.add_get(path, answer)


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
