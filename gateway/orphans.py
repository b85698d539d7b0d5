"""Reports what a config changes for the data in a folder: `byoc check --config F --data DIR`. Only reads, also beside a running gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from gateway.brokers.reconciling import Judged, Moved, judge
from gateway.config import Loaded
from gateway.errors import GatewayError
from gateway.store.connecting import to_read
from gateway.store.inbox_contract import Tally
from gateway.store.inbox_rows import StoredInboxRows
from gateway.store.transaction import SqlTransaction


def orphans(loaded: Loaded, data_dir: Path, now: datetime) -> list[str]:
    """A sentence for each thing that a start with this config would change. Raises GatewayError for a folder that isn't one of ours."""
    if not data_dir.is_dir():
        raise GatewayError(f"{data_dir} is not a folder: pass the gateway's data_dir with --data")
    with to_read(data_dir / "sessions.db") as connection:
        judged = judge(SqlTransaction(connection, lambda: now), loaded.channels, loaded.orgs) if connection else Judged()
    with to_read(data_dir / "inbox.db") as connection:
        tallies = StoredInboxRows(connection).tallies() if connection else []
    return [*judged.findings, *of_waiting_webhooks(tallies, judged.moved, loaded)]


def of_waiting_webhooks(tallies: Iterable[Tally], moved: Sequence[Moved], loaded: Loaded) -> Iterator[str]:
    """Webhooks that were answered and not read yet, of channels that the config takes away or gives to another org."""
    before = {one.channel_id: one for one in moved}
    for channel_id, state, count, _ in sorted(tallies):
        if state != "waiting":
            continue
        n = f"{count} webhook{'' if count == 1 else 's'} of channel {channel_id} not read yet"
        if channel_id not in loaded.channels:
            yield f"{n}: stuck, because the channel is not in the config. Add it again and replay (`byoc inbox list`), or leave them."
        elif channel_id in before:
            one = before[channel_id]
            if one.before in loaded.orgs:
                yield f"{n}, received for org {one.before}: stuck, so that org {one.now} reads nothing of them unless you replay them by their ids (`byoc inbox list`)."
            else:
                yield f"{n}, received for org {one.before}, which is not in the config: they go to org {one.now}."
