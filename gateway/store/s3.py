"""Files in a bucket of an S3-compatible service (`gateway.store.files.FileStore`), by obstore. Only imported when the config names a bucket.

A file is one object, written by one request, so that it is whole or not there, and nothing is left half written. Large files are read in parts, each by a
request of its own: a slow reader then holds neither a connection to the service nor much memory.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from gateway.errors import GatewayError, StoreUnavailable
from gateway.outage import Outage
from gateway.store.files import FoundFile, Ids

if TYPE_CHECKING:
    from obstore.store import S3Credential

T = TypeVar("T")
_log = logging.getLogger(__name__)
_PROBE: Final = "byoc-gateway-was-here"
_CONNECT: Final = timedelta(seconds=3)
_ANSWER: Final = timedelta(seconds=60)  # of one try; below, `_SECONDS` ends them all
_SECONDS: Final = 15.0  # for one thing, with all its tries
_BYTES_PER_SECOND: Final = 512 * 1024  # what a line must carry at least; a large file has more time
_TRIES: Final = 3
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")
# A thread of obstore's that still holds something of Python's when the interpreter ends would abort the process. What is answered it lets go of within
# microseconds; what is unanswered was cancelled with the loop.
_LAST_SECONDS: Final = 0.2
atexit.register(time.sleep, _LAST_SECONDS)
_ELSEWHERE: Final = (
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)


class Bucket:
    """What all files share: the service, and how it fares. To be used on one loop."""

    def __init__(
        self,
        name: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        region: str = "us-east-1",
        key: tuple[str, str] | None = None,
        certificates: str | None = None,
    ) -> None:
        """`key`: id and secret; None: what the environment offers. `certificates`: PEM, trusted beside the system's."""
        self.name = f"s3://{name}/{prefix}" if prefix else f"s3://{name}"
        self._service = endpoint or f"Amazon S3 in {region}"
        self._outage = Outage(_log, f"keeping files in {self.name}", "files")
        self._probing: asyncio.Task[None] | None = None
        self.store = S3Store(
            name,
            prefix=prefix or None,
            client_options={
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
                "connect_timeout": _CONNECT,
                "timeout": _ANSWER,
                **({"root_certificate": certificates} if certificates else {}),
            },
            retry_config={
                "max_retries": _TRIES - 1,
                "retry_timeout": timedelta(seconds=_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
            config={
                "region": region,
                **({"endpoint": endpoint.rstrip("/")} if endpoint else {}),
            },
            credential_provider=_given(key) if key else None,
        )

    async def open(self) -> None:
        """Look whether files can be kept. Raises GatewayError when they never can with these settings; other trouble is only reported."""
        try:
            await self._probe()
        except StoreUnavailable as error:
            if isinstance(error.__cause__, _Lasting):
                raise GatewayError(str(error)) from error

    def trouble(self) -> str | None:
        """What failed last. While something does, each question is also the occasion to look again."""
        if self._outage.reason is not None and (self._probing is None or self._probing.done()):
            self._probing = asyncio.get_running_loop().create_task(self._look_again(), name="files probe")
        return self._outage.reason

    async def _look_again(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # reported
            await self._probe()

    async def _probe(self) -> None:
        await self.ask(lambda: obstore.put_async(self.store, _PROBE, b"may be deleted", use_multipart=False))
        await self.ask(lambda: obstore.get_range_async(self.store, _PROBE, start=0, end=1))

    async def ask(self, request: Callable[[], Awaitable[T]], size: int = 0) -> T:
        """Do it within its time; `size` bytes go along. Raises FileNotFoundError for an object, and StoreUnavailable."""
        try:
            async with asyncio.timeout(_SECONDS + size / _BYTES_PER_SECOND):
                answer = await request()
        except FileNotFoundError as error:
            if "NoSuchBucket" not in str(error):
                self._outage.worked()
                raise
            raise self._failed(error) from _Lasting()
        except (BaseError, TimeoutError, OSError) as error:
            # Not from the error: its text tells the whole request.
            raise self._failed(error) from (_Lasting() if _lasts(error) else None)
        self._outage.worked()
        return answer

    def _failed(self, error: Exception) -> StoreUnavailable:
        reason = f"{self.name}: {self._reason(error)}"
        self._outage.failed(reason)
        return StoreUnavailable(reason)

    def _reason(self, error: Exception) -> str:
        text = str(error)
        code, status = _code(text), _STATUS.search(text)
        if code == "NoSuchBucket":
            return "there is no such bucket. Create it, or correct `media` in the config."
        if _no_key(text):
            return "there is no access key. Set `s3.access_key_id` and `s3.secret_access_key`, or give the machine a role that may use the bucket."
        if _elsewhere(code, status):
            return "the bucket is in another region. Correct `s3.region`."
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            why = f" ({code})" if code else ""
            return f"{self._service} refuses the access key{why}. Check the key in `s3`, and that it may read, write and delete objects of the bucket."
        if status is not None:
            why = f"{status[1]} {code}" if code else status[1]
            return f"{self._service} answers {why}. It is tried again by itself."
        return (
            f"{self._service} can't be reached. It is tried again by itself; check `s3.endpoint` and the network if this lasts."
        )


def _given(key: tuple[str, str]) -> Callable[[], S3Credential]:
    """By a function, since what is given as settings is mixed with what the environment has: with another key's session token, say."""
    return lambda: {"access_key_id": key[0], "secret_access_key": key[1], "expires_at": None}


class _Lasting(Exception):
    """Marks what no waiting heals."""


def _lasts(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, PermissionDeniedError | UnauthenticatedError)
        or _no_key(text)
        or _elsewhere(_code(text), _STATUS.search(text))
    )


def _code(text: str) -> str:
    found = _CODE.search(text)
    return found[1] if found else ""


def _no_key(text: str) -> bool:
    """It was looked for where the machines of Amazon have one, and there was none."""
    return "/latest/api/token" in text or "/latest/meta-data" in text


def _elsewhere(code: str, status: re.Match[str] | None) -> bool:
    return code in _ELSEWHERE or (status is not None and status[1] in ("301", "307"))


class BucketFolder:
    """See `FileStore`. Files of one kind, in a folder of the bucket."""

    def __init__(self, bucket: Bucket, folder: str, ids: Ids) -> None:
        self._bucket, self._folder, self._ids = bucket, folder, ids

    async def open(self) -> None:
        """See `FileStore`."""
        await self._bucket.open()

    def trouble(self) -> str | None:
        """See `FileStore`."""
        return self._bucket.trouble()

    def _key(self, file_id: str) -> str:
        return f"{self._folder}/{self._ids.place(file_id)}"

    async def write(self, file_id: str, content: bytes) -> None:
        """See `FileStore`."""
        key, store = self._key(file_id), self._bucket.store
        await self._bucket.ask(lambda: obstore.put_async(store, key, content, use_multipart=False), len(content))

    async def read(self, file_id: str) -> bytes:
        """See `FileStore`."""
        key, bucket = self._key(file_id), self._bucket
        found = await bucket.ask(lambda: obstore.get_async(bucket.store, key))
        return bytes(await bucket.ask(found.bytes_async, found.meta["size"]))

    async def find(self, file_id: str) -> FoundFile | None:
        """See `FileStore`."""
        key = self._key(file_id)
        try:
            about = await self._bucket.ask(lambda: obstore.head_async(self._bucket.store, key))
        except FileNotFoundError:
            return None
        tag = (about["e_tag"] or "").strip('"') or f"{about['last_modified'].timestamp():.0f}-{about['size']:x}"
        return FoundFile(about["size"], about["last_modified"], tag, None, partial(self._part, key))

    async def _part(self, key: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        ask = partial(obstore.get_range_async, self._bucket.store, key, start=start, end=end)
        return bytes(await self._bucket.ask(ask, end - start))

    async def delete(self, file_ids: Iterable[str]) -> None:
        """See `FileStore`. By one request for a thousand."""
        keys = [self._key(file_id) for file_id in file_ids]
        if keys:
            await self._bucket.ask(lambda: obstore.delete_async(self._bucket.store, keys))
