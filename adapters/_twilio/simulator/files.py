"""The simulated Twilio's files: the Media resource with credentials, and the file store behind it, which takes none.

Source: Twilio, "Media resource".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Protocol

from adapters._twilio.account import TwilioAccount
from adapters._twilio.simulator import faults
from adapters.contract import Answer, RawRequest
from adapters.simulation import SimFile, hex_of

STORE: Final = "/_files/"
_XML: Final = {"content-type": "application/xml"}


class Holder(Protocol):
    """Who holds the files: the provider."""

    files: dict[str, SimFile]

    def sid(self, prefix: str) -> str:
        """The next id of that kind."""
        ...


@dataclass
class _Stored:
    file: SimFile
    parent: str
    signature: str
    not_yet: int = 0  # how many times it is still missing when asked for


class Files:
    """All files of the account, those of customers and ours, by their ids."""

    def __init__(self, account: TwilioAccount, holder: Holder) -> None:
        self._account = account
        self._holder = holder
        self._stored: dict[str, _Stored] = {}

    def keep(self, file: SimFile, parent: str, not_yet: int = 0) -> str:
        """Keep a file of that message; its id."""
        sid = self._holder.sid("ME")
        self._holder.files[sid] = file
        self._stored[sid] = _Stored(file, parent, hex_of(f"{self._account.account_sid} {sid}", 24), not_yet)
        return sid

    def resource(self, parent: str, steps: list[str], request: RawRequest) -> Answer:
        """`/Messages/{parent}/Media…`: the list, the description (`.json`), the way to the file, or its end."""
        if not steps:
            mine = [sid for sid, stored in self._stored.items() if stored.parent == parent]
            return _json({"media_list": [self._described(sid) for sid in mine], "uri": request.path})
        stored = self._stored.get(steps[0])
        if stored is None or stored.parent != parent:
            return faults.NO_SUCH_RESOURCE.answer
        if request.method == "DELETE":
            del self._stored[steps[0]]
            return Answer(204)
        if stored.not_yet:
            stored.not_yet -= 1
            return faults.NO_SUCH_RESOURCE.answer
        if request.path.endswith(".json"):
            return _json(self._described(steps[0]))
        return Answer(307, headers={"location": f"{self._account.api_base}{STORE}{steps[0]}?Signature={stored.signature}"})

    def content(self, request: RawRequest) -> Answer:
        """The store behind: a signed address, and a refusal for whoever brings credentials along."""
        stored = self._stored.get(request.path.removeprefix(STORE))
        if stored is None or request.param("Signature") != stored.signature:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", _XML)
        if request.headers.get("authorization"):
            return Answer(
                400, b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>", _XML
            )
        return Answer(200, stored.file.content, {"content-type": stored.file.mime_type})

    def _described(self, sid: str) -> dict[str, Any]:
        stored = self._stored[sid]
        uri = f"/2010-04-01/Accounts/{self._account.account_sid}/Messages/{stored.parent}/Media/{sid}.json"
        owner = {"account_sid": self._account.account_sid, "parent_sid": stored.parent}
        return {"sid": sid, **owner, "content_type": stored.file.mime_type, "uri": uri}


def _json(members: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(members).encode(), faults.JSON)
