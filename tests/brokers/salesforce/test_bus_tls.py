"""The certificates of the simulated org's gRPC port."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from gateway.brokers.salesforce.pubsub_pb2 import TopicRequest
from gateway.brokers.salesforce.pubsub_pb2_grpc import PubSubStub
from gateway.brokers.salesforce.simulator.tls import certificates
from gateway.clock import now
from tests.brokers.salesforce.bus import AUTH, TOPIC, bus_world


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_openssl_s_strict_check_accepts_them(name: str, tmp_path: Path) -> None:
    made = certificates(tmp_path, now())
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    trusting = ssl.create_default_context(cafile=str(made.ca_file))
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=serving)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
        writer.close()


async def test_who_trusts_another_authority_is_not_served(tmp_path: Path) -> None:
    other = certificates(tmp_path / "other", now())
    async with bus_world(tmp_path / "bus") as world:
        credentials = grpc.ssl_channel_credentials(other.ca_file.read_bytes())
        async with grpc.aio.secure_channel(world.bus.endpoint, credentials) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await PubSubStub(channel).GetTopic(TopicRequest(topic_name=TOPIC), metadata=AUTH)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_key_is_for_its_owner_alone_and_in_no_repr(tmp_path: Path) -> None:
    made = certificates(tmp_path, now())
    assert stat.S_IMODE((tmp_path / "server.key").stat().st_mode) == 0o600
    assert "PRIVATE" not in repr(made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "server.key", "server.pem"]


def test_they_are_kept_until_they_expire_or_do_not_fit(tmp_path: Path) -> None:
    first = certificates(tmp_path, now())
    assert certificates(tmp_path, now()) == first
    later = certificates(tmp_path, now() + timedelta(days=340))
    assert later.certificate != first.certificate
    (tmp_path / "server.key").write_bytes(first.key)
    again = certificates(tmp_path, now())
    assert again.key not in (first.key, later.key)
    (tmp_path / "ca.pem").write_bytes(certificates(tmp_path / "other", now()).ca_file.read_bytes())
    last = certificates(tmp_path, now())
    x509.load_pem_x509_certificate(last.certificate).verify_directly_issued_by(
        x509.load_pem_x509_certificate(last.ca_file.read_bytes())
    )


async def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    async with bus_world(tmp_path / "one") as world:
        port = int(world.bus.endpoint.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)):
            async with bus_world(tmp_path / "two", port=port):
                pass
