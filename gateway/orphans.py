"""Reports what a config changes for what is stored: `byoc check --config F` with `--data DIR` or `--stored`. Only reads, also beside a running gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from gateway.brokers.reconciling import Judged, Moved, judge
from gateway.config import Loaded
from gateway.store.beside import InFolder, Stored
from gateway.store.inbox_contract import Tally


def orphans(loaded: Loaded, where: Path | Stored, now: datetime) -> list[str]:
    """A sentence for each thing that a start with this config would change. `where`: the data folder, or the store. Raises GatewayError for what isn't one of ours."""
    stored = InFolder(where) if isinstance(where, Path) else where
    with stored.sessions_to_read(lambda: now) as transaction:
        judged = judge(transaction, loaded.channels, loaded.orgs) if transaction else Judged()
    with stored.inbox_to_read() as inbox:
        tallies = inbox.tallies() if inbox else []
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
