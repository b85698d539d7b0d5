"""A page's HTML, made once at the start from its template: addresses of its scripts and styles, and its settings.

A template holds `{{style:desk/desk.css}}`, `{{script:desk/main.js}}`, `{{preload:kit,desk}}` and `{{settings}}`; nothing in it comes from a
request, so nothing has to be escaped but the settings.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping

from gateway.pages.assets import Asset, Assets, asset_of

_MARK = re.compile(r"\{\{(\w+)(?::([^}]*))?\}\}")


def render(template: str, assets: Assets, settings: Mapping[str, object]) -> str:
    """The page. Raises KeyError for a mark or file that doesn't exist."""

    def style(path: str) -> str:
        return f'<link rel="stylesheet" href="{assets.url(assets.files[path].path)}">'

    def script(path: str) -> str:
        return f'<script type="module" src="{assets.url(assets.files[path].path)}"></script>'

    def preload(folders: str) -> str:
        paths = assets.modules(*folders.split(","))
        return "\n".join(f'<link rel="modulepreload" href="{assets.url(path)}">' for path in paths)

    def settings_tag(_: str) -> str:
        return f'<meta name="byoc-settings" content="{html.escape(json.dumps(dict(settings)))}">'

    marks = {"style": style, "script": script, "preload": preload, "settings": settings_tag}
    return _MARK.sub(lambda mark: marks[mark[1]](mark[2] or ""), template)


def page(name: str, template: str, assets: Assets, settings: Mapping[str, object]) -> Asset:
    """The page as a file to serve."""
    return asset_of(f"{name}.html", render(template, assets, settings).encode())
