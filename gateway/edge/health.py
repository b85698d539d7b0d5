"""Alive, ready, and what Prometheus reads: for machines, without a token, and without anything of customers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from gateway.edge.problems import SECURITY_HEADERS, Problem
from gateway.errors import GatewayError
from gateway.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], Awaitable[None]]
_CHECK_SECONDS: Final = 2.0  # balancers wait 1-5 s


@dataclass(slots=True)
class Health:
    """What must work for the gateway to be ready: checks by name, each raising a GatewayError that says what is wrong. `remarks` say what a ready gateway
    doesn't do just now: taking it out of service would make that worse. `details` are for `/readyz?verbose`, as JSON."""

    metrics: Metrics
    checks: dict[str, Check] = field(default_factory=dict)
    remarks: dict[str, Callable[[], str | None]] = field(default_factory=dict)
    details: dict[str, Callable[[], Mapping[str, object]]] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)  # told in any case
    draining: bool = False

    def install(self, app: web.Application) -> None:
        """The three routes."""
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.read_metrics),
            ]
        )

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers: that is all that it says."""
        return _told({"status": "alive"})

    async def readyz(self, request: web.Request) -> web.Response:
        """200 when every check passes, else 503 with the reason of each that doesn't. `?verbose`: with the details of what is connected."""
        try:
            return await self._readyz(verbose="verbose" in request.query)
        except Problem as problem:
            return problem.response()

    async def read_metrics(self, request: web.Request) -> web.Response:
        """All series."""
        return web.Response(body=await self.metrics.text(), headers={**SECURITY_HEADERS, "Content-Type": CONTENT_TYPE})

    async def _readyz(self, *, verbose: bool) -> web.Response:
        if self.draining:
            raise Problem("not_ready", "The gateway is shutting down.")
        reasons = await asyncio.gather(*(_reason(check) for check in self.checks.values()))
        failing = {name: reason for name, reason in zip(self.checks, reasons, strict=True) if reason}
        if failing:
            words = "; ".join(f"{name}: {reason}" for name, reason in failing.items())
            raise Problem("not_ready", words, details=failing)
        remarks = {name: remark for name, tell in self.remarks.items() if (remark := tell())}
        details = {name: told for name, tell in self.details.items() if (told := tell())} if verbose else {}
        more = {**({"remarks": remarks} if remarks else {}), **({"details": details} if details else {})}
        return _told({"status": "ready", **self.about, "checks": dict.fromkeys(self.checks, "ok"), **more})


async def _reason(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except GatewayError as fault:
        return str(fault) or type(fault).__name__
    return None


def _told(body: Mapping[str, object]) -> web.Response:
    return web.json_response(body, headers=SECURITY_HEADERS)
