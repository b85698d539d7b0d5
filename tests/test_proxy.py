"""The link that other tests cut: what it carries arrives whole and in order, and not while it is cut."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests import proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A port whose server says everything again."""
    server = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.close()


def said(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    heard = b""
    while len(heard) < len(data):
        heard += connection.recv(65536)
    return heard


def test_what_it_carries_arrives_whole_and_in_order_however_slow_it_is(echo: int) -> None:
    with proxy.link(echo, 0.002) as link, socket.create_connection(("127.0.0.1", link.port), 10) as connection:
        begun = time.monotonic()
        data = b"".join(b"%07d" % number for number in range(20_000))
        assert said(connection, data) == data
        assert time.monotonic() - begun >= 0.004  # a lower bound, which holds on any machine


def test_a_silent_link_gives_on_later_what_it_was_told(echo: int) -> None:
    with proxy.link(echo) as link, socket.create_connection(("127.0.0.1", link.port), 0.3) as connection:
        assert said(connection, b"before") == b"before"
        link.cut(silently=True)
        time.sleep(0.05)
        connection.sendall(b"meanwhile")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        link.restore()
        connection.settimeout(10)
        assert connection.recv(100) == b"meanwhile"


def test_a_broken_link_refuses_until_it_is_restored(echo: int) -> None:
    with proxy.link(echo) as link:
        with socket.create_connection(("127.0.0.1", link.port), 10) as connection:
            assert said(connection, b"before") == b"before"
            link.cut(silently=False)
            with pytest.raises((ConnectionError, AssertionError)):
                assert connection.recv(100)
            with (
                socket.create_connection(("127.0.0.1", link.port), 10) as refused,
                pytest.raises((ConnectionError, AssertionError)),
            ):
                assert refused.recv(100)
        link.restore()
        time.sleep(0.05)
        with socket.create_connection(("127.0.0.1", link.port), 10) as connection:
            assert said(connection, b"after") == b"after"
