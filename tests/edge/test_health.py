"""Alive, ready, measured."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from gateway.edge import health
from gateway.edge.health import Health
from gateway.errors import StoreUnavailable
from gateway.metrics import Metrics
from tests.edge.conftest import Site
from tests.edge.described import check_headers


async def read(http: TestClient[Any, Any], path: str) -> tuple[int, Any]:
    async with http.get(path) as response:
        check_headers(response)
        return response.status, await response.json(content_type=None)


async def test_a_gateway_that_works_is_alive_and_ready(site: Site) -> None:
    assert await read(site.http, "/healthz") == (200, {"status": "alive"})
    assert await read(site.http, "/readyz") == (200, {"status": "ready", "checks": {"broker": "ok"}})


async def test_a_gateway_whose_broker_is_gone_is_alive_but_not_ready(site: Site) -> None:
    await site.broker.close()
    assert (await read(site.http, "/healthz"))[0] == 200
    status, told = await read(site.http, "/readyz")
    assert (status, told["code"]) == (503, "not_ready")
    assert told["detail"].startswith("broker: ")
    assert list(told["details"]) == ["broker"]


async def test_what_a_ready_gateway_does_not_do_just_now_is_remarked() -> None:
    """It stays in service: out of it, it would do even less."""

    async def sound() -> None:
        pass

    remarks: list[str | None] = [None]
    watched = Health(Metrics(), {"inbox": sound}, {"webhooks": lambda: remarks[-1]})
    app = web.Application()
    app.router.add_get("/readyz", watched.readyz)
    async with TestClient(TestServer(app)) as http:
        assert await read(http, "/readyz") == (200, {"status": "ready", "checks": {"inbox": "ok"}})
        remarks.append("put off")
        ready = {"status": "ready", "checks": {"inbox": "ok"}, "remarks": {"webhooks": "put off"}}
        assert await read(http, "/readyz") == (200, ready)


async def test_details_are_told_to_whoever_asks_for_them() -> None:
    watched = Health(Metrics(), details={"salesforce": lambda: {"prod": {"phase": "open"}}, "other": dict})
    app = web.Application()
    app.router.add_get("/readyz", watched.readyz)
    async with TestClient(TestServer(app)) as http:
        assert await read(http, "/readyz") == (200, {"status": "ready", "checks": {}})
        ready = {"status": "ready", "checks": {}, "details": {"salesforce": {"prod": {"phase": "open"}}}}
        assert await read(http, "/readyz?verbose") == (200, ready)


async def test_each_failing_check_is_told_in_words_and_hangs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sound() -> None:
        pass

    async def full() -> None:
        raise StoreUnavailable("the disk is full")

    async def hanging() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.05)
    checked = Health(Metrics(), {"inbox": sound, "outbox": full, "broker": hanging})
    app = web.Application()
    app.router.add_get("/readyz", checked.readyz)
    async with TestClient(TestServer(app)) as http:
        status, told = await read(http, "/readyz")
    assert status == 503
    assert told["details"] == {"outbox": "the disk is full", "broker": "no answer within 0.05 s"}
    assert told["detail"] == "outbox: the disk is full; broker: no answer within 0.05 s"


async def test_a_gateway_that_drains_is_alive_but_not_ready(site: Site) -> None:
    await site.surface.drain()
    assert (await read(site.http, "/healthz"))[0] == 200
    status, told = await read(site.http, "/readyz")
    assert (status, told["code"]) == (503, "not_ready")
    assert (await site.api(login="ana").get("/me")).status == 200


async def test_metrics_are_prometheus_text_with_fresh_gauges(site: Site) -> None:
    async def refresh() -> None:
        site.surface.metrics.outbox_rows.labels("sms", "queued").set(3)

    site.surface.metrics.before_reading(refresh)
    await site.api(login="ana").get("/me")
    async with site.http.get("/metrics") as response:
        check_headers(response)
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    assert [(s.labels, s.value) for s in families["byoc_outbox_rows"].samples] == [({"channel": "sms", "state": "queued"}, 3.0)]
    (counted,) = [s for s in families["byoc_api_requests"].samples if s.name.endswith("_total")]
    assert (counted.labels["route"], counted.value) == ("/api/v1/me", 1.0)


async def test_a_refresher_that_fails_costs_only_its_own_gauges(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()

    async def failing() -> None:
        raise RuntimeError("no database")

    async def fine() -> None:
        metrics.sessions.labels("active").set(2)

    metrics.before_reading(failing)
    metrics.before_reading(fine)
    assert b'byoc_sessions{status="active"} 2.0' in await metrics.text()
    assert [getattr(record, "action", None) for record in caplog.records] == ["metrics.refresh_failed"]


async def test_two_gateways_in_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.webhook("sms", "accepted")
    assert b'byoc_webhooks_total{channel="sms",outcome="accepted"} 1.0' in await one.text()
    assert b"accepted" not in await other.text()
