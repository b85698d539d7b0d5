"""The gateway's side of a Salesforce org's stream in a process of its own: from the stream into the inbox, and nothing after it.

python -m bench.listener --org FILE --token TOKEN --data FOLDER --after HEX --mark 1000
Writes a line of JSON for each so many events that are on disk: how many, when (`time.monotonic`), and the memory; and one for each event that says when
it was published, with how long it took until then.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.contract import RawRequest
from bench import machine
from gateway import loops
from gateway.brokers.salesforce.positions import StoredPositions
from gateway.brokers.salesforce.subscription import Subscription
from gateway.clock import now
from gateway.config.salesforce import SalesforceOrg
from gateway.doorbell.local import LocalDoorbell
from gateway.store.contract import StreamPosition
from gateway.store.inbox import SqliteInbox
from gateway.store.sqlite import SqliteStore

_PUBLISHED: Final = b'"published":'


class Watched(SqliteInbox):
    """Says what is on disk."""

    mark = 1_000
    kept = 0

    def put(self, channel_id: str, request: RawRequest, done: Callable[[Exception | None], None]) -> None:
        """See the contract."""

        def told(error: Exception | None) -> None:
            if error is None:
                self._tell(request.body)
            done(error)

        super().put(channel_id, request, told)

    def _tell(self, body: bytes) -> None:
        at = time.monotonic()
        self.kept += 1
        if _PUBLISHED in body:
            print(json.dumps({"took": at - float(json.loads(body)["published"])}), flush=True)
        if self.kept % self.mark == 0 or self.kept == 1:
            print(json.dumps({"kept": self.kept, "at": at, "memory": machine.resident_bytes(os.getpid())}), flush=True)


async def listen(asked: argparse.Namespace) -> None:
    """Until it is killed."""
    asked.data.mkdir(parents=True, exist_ok=True)
    inbox, store = Watched(asked.data, now), SqliteStore(asked.data, now, lambda point: None)
    inbox.mark = asked.mark
    await inbox.open()
    await store.open()
    # SQLite's cache of pages fills up to 64 MB, as it is meant to: that would hide whatever else grows.
    await inbox.writer.run(lambda connection: connection.execute("PRAGMA cache_size=-2048"))
    positions = StoredPositions(store, "salesforce:bench")
    await positions.save(StreamPosition(bytes.fromhex(asked.after), now()), {})
    org = SalesforceOrg.model_validate_json(asked.org.read_bytes())

    async def token(refused: bool) -> str:
        return str(asked.token)

    await Subscription("bench", org, inbox, positions, token, LocalDoorbell()).run()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--org", type=Path, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--after", required=True)
    parser.add_argument("--mark", type=int, default=1_000)
    loops.run(listen(parser.parse_args()))


if __name__ == "__main__":
    main()
