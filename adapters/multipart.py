"""Multipart forms without a network: read as simulated providers do, written as browsers do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from adapters.contract import FormFile, RawRequest


def read_form(request: RawRequest) -> tuple[dict[str, str], list[FormFile]]:
    """The fields and the files of a `multipart/form-data` body, in order. Raises ValueError when it is none."""
    found = re.search(r'(?i)^multipart/form-data;.*\bboundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if found is None:
        raise ValueError("the body is not a multipart form")
    fields: dict[str, str] = {}
    files: list[FormFile] = []
    for part in (b"\r\n" + request.body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        _take(head.decode("utf-8", "replace"), content, fields, files)
    return fields, files


def _take(head: str, content: bytes, fields: dict[str, str], files: list[FormFile]) -> None:
    name = re.search(r'\bname="([^"]*)"', head)
    file_name = re.search(r'\bfilename="([^"]*)"', head)
    mime_type = re.search(r"(?im)^content-type:\s*([^\r\n;]+)", head)
    if name and file_name:
        mime = mime_type[1].strip() if mime_type else "application/octet-stream"
        files.append(FormFile(name[1], unquote(file_name[1]), mime, content))
    elif name:
        fields[name[1]] = content.decode("utf-8", "replace")


def write_form(fields: Mapping[str, str], files: Iterable[FormFile], boundary: str) -> tuple[bytes, str]:
    """The body of a form and its content type; the fields come before the files."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode("utf-8", "surrogatepass")
        for name, value in fields.items()
    ]
    for file in files:
        name = file.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        about = f'Content-Disposition: form-data; name="{file.field}"; filename="{name}"\r\nContent-Type: {file.mime_type}'
        parts.append(f"--{boundary}\r\n{about}\r\n\r\n".encode("utf-8", "surrogatepass") + file.content + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
