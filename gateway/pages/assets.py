"""The files that the pages are made of: read once, hashed, packed.

All of them are below one address that contains a hash over the whole tree (`/assets/1f0c…/desk/main.js`). Modules import each
other by relative paths, so one hash for all needs no build step that rewrites imports, and a page never mixes the modules of
two versions.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIME_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_WORTH_PACKING = 512  # below it gzip's own 18 bytes and a header gain nothing
_COMMENTS = {
    ".css": re.compile(r"/\*.*?\*/", re.S),
    # Comments with lines of their own, and types that stand before a value: none of them runs over the end of another.
    ".js": re.compile(r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/[ \t]*$)|/\*\* @type \{[^\n*]*\} \*/ ", re.M | re.S),
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, the same packed by gzip (None: not worth it), and its type."""

    path: str
    mime_type: str
    content: bytes
    packed: bytes | None
    etag: str


def asset_of(path: str, content: bytes) -> Asset:
    """An asset from its bytes; `path` decides its type. Raises KeyError for a type that no page uses."""
    packed = gzip.compress(content, 9, mtime=0) if len(content) >= _WORTH_PACKING else None
    return Asset(path, MIME_TYPES[Path(path).suffix], content, packed, hashlib.sha256(content).hexdigest()[:20])


def lightened(path: str, content: bytes) -> bytes:
    """A script or style without comment lines, types and indentation, which are for its readers. Line numbers stay the same, so that an
    error in a browser points into the source. A text in backquotes that spans several lines is left as it is."""
    comments = _COMMENTS.get(Path(path).suffix)
    if comments is None:
        return content
    lines = []
    quoted = False
    for line in comments.sub(lambda found: "\n" * found[0].count("\n"), content.decode()).split("\n"):
        lines.append(line if quoted else line.lstrip())
        quoted ^= line.count("`") % 2 == 1
    return "\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by their path below `/assets/<version>/`, and the version: a hash over paths and contents."""

    version: str
    files: Mapping[str, Asset]

    def url(self, path: str) -> str:
        """Where a page finds the file."""
        return f"/assets/{self.version}/{path}"

    def modules(self, *folders: str) -> list[str]:
        """The scripts of these folders, sorted: a page names them all at the start, so that no import waits for another."""
        return sorted(p for p in self.files if p.endswith(".js") and p.partition("/")[0] in folders)


def load(folder: Path) -> Assets:
    """Read every file of a known type below a folder."""
    files: dict[str, Asset] = {}
    version = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix not in MIME_TYPES or file.suffix == ".html":
            continue
        path = file.relative_to(folder).as_posix()
        files[path] = asset_of(path, lightened(path, file.read_bytes()))
        version.update(f"{path}\0{files[path].etag}\n".encode())
    return Assets(version.hexdigest()[:16], files)
