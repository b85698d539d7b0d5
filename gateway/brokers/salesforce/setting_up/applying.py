"""Creates in an org what a plan has and the org hasn't. Nothing that exists is changed, so it can be run again after an error, and goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from adapters.contract import HttpCall
from gateway.brokers.salesforce.inspecting import Inspector, Unseen, codes_of
from gateway.brokers.salesforce.setting_up.pieces import Piece, look, pieces_of
from gateway.brokers.salesforce.setting_up.plan import Plan
from gateway.config.salesforce import SalesforceOrg
from gateway.errors import GatewayError

_EXISTS: Final = ("DUPLICATE_VALUE", "DUPLICATE_DEVELOPER_NAME", "ALREADY_IN_PROCESS")
_LONGEST: Final = 300
_MARKS: Final = {"same": "same     ", "missing": "missing  ", "differs": "DIFFERS  ", "not seen": "not seen "}


class NotCreated(GatewayError):
    """The org refuses a record."""


async def difference(inspector: Inspector, plan: Plan, say: Callable[[str], None]) -> bool:
    """Report each piece in a line. Whether the org has all of it as planned."""
    whole = True
    for piece in pieces_of(plan):
        found = await look(piece, inspector)
        whole = whole and found.state == "same"
        say(f"{_MARKS[found.state]} {piece.label}" + (f": {found.detail}" if found.detail else ""))
    say(f"not asked  external client app {plan.app}: no query shows it; `byoc check --online` signs in with it")
    return whole


async def create_missing(inspector: Inspector, org: SalesforceOrg, plan: Plan, say: Callable[[str], None]) -> bool:
    """Create what is missing, and report each piece in a line. Whether all of it is there then. Raises NotCreated, OrgUnavailable."""
    whole = True
    pieces = pieces_of(plan)
    for number, piece in enumerate(pieces, 1):
        found = await look(piece, inspector)
        before = f"[{number}/{len(pieces)}] {piece.label}"
        if found.state == "missing":
            whole = await _create(piece, inspector, org, lambda text, before=before: say(f"{before}: {text}")) and whole  # type: ignore[misc]
            continue
        whole = whole and found.state == "same"
        say(f"{before}: {'exists' if found.state == 'same' else f'{found.state}, not changed ({found.detail})'}")
    say(f"external client app {plan.app}: not created here; deploy the project, or create it in Setup")
    return whole


async def _create(piece: Piece, inspector: Inspector, org: SalesforceOrg, say: Callable[[str], None]) -> bool:
    try:
        creation = await piece.creation(inspector)
    except Unseen as unseen:
        say(f"not created ({unseen})")
        return False
    url = f"{org.instance_url}/services/data/v{org.api_version}/{creation.path}"
    body = json.dumps(creation.body).encode()
    reply = await inspector.send(HttpCall("POST", url, {"Content-Type": "application/json"}, body, visible=True))
    if reply.status in (200, 201):
        say("created")
        return True
    if any(code in codes_of(reply) for code in _EXISTS):
        say("exists")  # an earlier run was cut off before it read the answer, or somebody else was quicker
        return True
    raise NotCreated(
        f"{piece.label}: the org refuses it: {_told(reply.body) or codes_of(reply)}. Correct it there or create it by hand, then run this again; what exists is skipped"
    )


def _told(body: bytes) -> str:
    """What the org says of the record. It was made from the config, and has no secret in it."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return ""
    told = found if isinstance(found, list) else [found]
    return "; ".join(f"{one.get('errorCode')}: {one.get('message')}" for one in told if isinstance(one, dict))[:_LONGEST]
