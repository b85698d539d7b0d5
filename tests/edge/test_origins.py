"""Pages of other origins: none by default, listed ones by the config."""

from __future__ import annotations

from typing import Any

import pytest

from tests.edge.conftest import Site

ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return getattr(request, "param", {})


async def test_by_default_no_page_elsewhere_may_read(site: Site) -> None:
    api = site.api(login="ana")
    for reply in (
        await api.get("/me", headers={"Origin": "https://desk.example"}),
        await api("OPTIONS", "/me", headers={"Origin": "https://desk.example", **ASKING}),
    ):
        assert not [name for name in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("settings", [{"origins": ("https://desk.example",)}], indirect=True)
async def test_a_listed_page_may(site: Site) -> None:
    origin = {"Origin": "https://desk.example"}
    async with site.http.options("/api/v1/sessions/x/messages", headers={**origin, **ASKING}) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://desk.example"
        assert "Idempotency-Key" in response.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
    for token, status in (("token-ana", 200), ("wrong", 401)):
        async with site.http.get("/api/v1/me", headers={**origin, "Authorization": f"Bearer {token}"}) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == "https://desk.example"
            assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("settings", [{"origins": ("https://desk.example",)}], indirect=True)
async def test_another_page_still_may_not(site: Site) -> None:
    for origin in ("https://desk.example.evil.example", "http://desk.example", "null"):
        async with site.http.get("/api/v1/me", headers={"Origin": origin, "Authorization": "Bearer token-ana"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
            assert response.headers["Vary"] == "Origin"
        async with site.http.options("/api/v1/me", headers={"Origin": origin, **ASKING}) as response:
            assert response.status == 405
