"""The chat's own page, and the widget's scripts: read once, hashed, packed, and served to pages of any origin."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Final

from aiohttp import web

from adapters.webchat import WebchatAccount
from gateway.pages.assets import Asset, asset_of, lightened, load
from gateway.webchat.calls import worded
from gateway.webchat.door import Visit

_FOLDER: Final = Path(__file__).parent
# Any page may load the scripts; what they may then do is decided by the door.
_ANY_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """`/widget.js`, `/widget/{version}/…` and `/chat/{channel_id}`."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._assets = load(folder / "widget")
        loader = (folder / "widget.js").read_bytes().replace(b"{{version}}", self._assets.version.encode())
        self._loader = asset_of("widget.js", lightened("widget.js", loader))
        self._page = (folder / "chat.html").read_text()

    async def loader(self, request: web.Request) -> web.Response:
        """The only script that a page names. Browsers fetch it again every few minutes, because it names the version of the rest."""
        return _served(request, self._loader, "public, max-age=300")

    async def module(self, request: web.Request) -> web.Response:
        """One of the widget's modules. An old version's address gives the present file, uncached, to pages that were open meanwhile."""
        asset = self._assets.files.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        present = request.match_info["version"] == self._assets.version
        return _served(request, asset, "public, max-age=31536000, immutable" if present else "no-cache")

    async def page(self, visit: Visit) -> web.Response:
        """A page with nothing but the chat."""
        locale = _wanted_locale(visit.request, visit.account)
        words = {
            "channel": visit.account.channel_id,
            "title": worded(visit.account.title, locale),
            "locale": locale,
            "dir": "rtl" if locale.partition("-")[0] in ("ar", "fa", "he", "ur") else "ltr",
        }
        text = self._page
        for name, value in words.items():
            text = text.replace("{{" + name + "}}", html.escape(value))
        headers = {
            "Content-Security-Policy": _policy(visit.account),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)


def _policy(account: WebchatAccount) -> str:
    """Allows everything from this origin, and reps' pictures from wherever the company keeps them."""
    framers = " ".join(["'self'", *account.allowed_origins])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' https: blob: data:; "
        f"media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors {framers}"
    )


def _wanted_locale(request: web.Request, account: WebchatAccount) -> str:
    """`?locale=`, else the browser's first language, else the channel's."""
    asked = request.query.get("locale") or request.headers.get("Accept-Language", "").partition(",")[0].partition(";")[0]
    asked = asked.strip()
    sound = 0 < len(asked) <= 35 and asked.replace("-", "").isalnum() and asked.isascii()
    return asked if sound else account.locale


def _served(request: web.Request, asset: Asset, cache: str) -> web.Response:
    headers = {
        **_ANY_ORIGIN,
        "Cache-Control": cache,
        "ETag": f'"{asset.etag}"',
        "Vary": "Accept-Encoding",
        "Content-Type": asset.mime_type,
    }
    if f'"{asset.etag}"' in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    packed = asset.packed if "gzip" in request.headers.get("Accept-Encoding", "") else None
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=packed or asset.content, headers=headers)
