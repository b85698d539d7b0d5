"""The same demo where the gateway routes (BYOC for CCaaS): the org asks for reps, and those whom the gateway names are asked in the org's console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import BYOC, demo_process
from tests.acceptance.test_conference import Handset, answers, asks, said
from tests.world import Rep, outside, wait_until

pytestmark = pytest.mark.acceptance
COMMAND = (*BYOC, "demo", "--broker", "salesforce", "--routing", "partner")


async def asked_in(rep: Rep, session_id: str) -> str:
    """The id of the request that the org has for this rep, once the gateway has named them."""

    async def there() -> Any:
        seen = await rep.get(f"/sessions/{session_id}")
        return seen.json.get("invitations") if seen.status == 200 else None

    (invitation,) = await wait_until(there, what=f"a request for {rep.token}")
    return str(invitation["id"])


async def test_the_gateway_finds_the_reps(tmp_path: Path) -> None:
    async with demo_process(tmp_path / "demo", command=COMMAND) as demo, outside(demo.address) as world:
        ana, ben = world.rep("ana"), world.rep("ben")
        kim = world.customer("whatsapp")
        handset = Handset(kim)
        assert (await kim.says("hello")).status == 201
        await ana.present()  # the customer waits for whoever comes
        session_id = (await ana.take("whatsapp"))["id"]
        await handset.notice("Ana")

        await ben.present()
        await asks(ana, session_id, "ben")
        await answers(ben, session_id, await asked_in(ben, session_id), "accept")
        await handset.notice("Ben")
        await said(ana, session_id, "from ana", handset, "Ana")
        await said(ben, session_id, "from ben", handset, "Ben")

        assert (await ana.post(f"/sessions/{session_id}/leave")).status == 200
        await handset.notice("Ana")
        await asks(ben, session_id, "ana", "transfers")
        await answers(ana, session_id, await asked_in(ana, session_id), "accept")
        await handset.notice("Ana", "Ben")
        await said(ana, session_id, "the last word", handset, "Ana")
