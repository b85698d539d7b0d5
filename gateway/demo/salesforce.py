"""The demo with Salesforce as the broker of every channel: the gateway's config for a simulated org in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from gateway import config
from gateway.app import kept_secret
from gateway.config import Loaded
from gateway.demo import cast
from gateway.demo.organisation import PARTNER, Organisation, Wanted

_FOLDER: Final = "salesforce-org"


@asynccontextmanager
async def controlled_by_salesforce(
    port: int, data_dir: Path, places: Mapping[str, Any], *, by_partner: bool
) -> AsyncIterator[tuple[Loaded, Organisation]]:
    """The org at work, all but its doors, and the gateway's config for it. `places` as in `cast`: they are the gateway's, the org keeps its own in the folder.
    `by_partner`: the gateway routes (BYOC for CCaaS). Raises ConfigFaults, GatewayError."""
    raw = cast.raw(port, data_dir, places)
    # One port serves the files of both, so one secret signs their addresses.
    secret = kept_secret(data_dir / "media.secret")
    served = dict.fromkeys(raw["channels"], PARTNER) if by_partner else None
    wanted = Wanted(str(raw["public_url"]), raw["orgs"], raw["channels"], secret, served)
    async with Organisation(wanted, data_dir / _FOLDER).working() as organisation, organisation.published():
        orgs, channels = organisation.settings()
        for channel_id, block in channels.items():
            raw["channels"][channel_id] |= {"salesforce": block}
            if not by_partner:
                raw["channels"][channel_id].pop("queue", None)
        yield config.build(raw | {"salesforce": orgs}), organisation
