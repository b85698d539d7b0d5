"""All Salesforce orgs of a gateway: what the rest of it needs of them. It is built when the config names an org, and only then are gRPC and Avro imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway.brokers.ground import Ground, Holder
from gateway.brokers.salesforce.connecting import SalesforceConnector
from gateway.brokers.salesforce.heard import Heard, Work
from gateway.brokers.salesforce.holder import SalesforceHolder
from gateway.brokers.salesforce.lanes import LanePeer
from gateway.brokers.salesforce.places import is_ours
from gateway.brokers.salesforce.positions import StoredPositions
from gateway.brokers.salesforce.registering import Registering, Run
from gateway.brokers.salesforce.subscription import Subscription
from gateway.brokers.salesforce.tokens import Tokens, load_keys, path_of
from gateway.clock import Clock
from gateway.config import Loaded
from gateway.config.salesforce import SalesforceOrg
from gateway.doorbell.contract import Doorbell, Signals
from gateway.metrics import Metrics
from gateway.store.contract import Store
from gateway.store.inbox_contract import Inbox


class _Org(NamedTuple):
    """One of them."""

    settings: SalesforceOrg
    tokens: Tokens
    holder: SalesforceHolder


class SalesforceOrgs:
    """`holders` by channel and lane, `peers` by lane; once connected, what works in the background and what operators are told."""

    def __init__(self, loaded: Loaded) -> None:
        self.holders: dict[str, Holder] = {}
        self.peers: dict[str, LanePeer] = {}
        self._orgs = {
            name: _Org(org, Tokens(org, load_keys(_pems(org))), SalesforceHolder(name, org, loaded.channels))
            for name, org in loaded.config.salesforce.items()
        }
        self._streams: dict[str, Subscription] = {}
        self._heard: dict[str, Heard] = {}
        self._registering: dict[str, Registering] = {}
        for org, tokens, holder in self._orgs.values():
            places = holder.places
            self.holders |= dict.fromkeys((*places.channels, *holder.lanes), holder)
            self.peers |= {lane: LanePeer(lane, org, places.channels, tokens) for lane in holder.lanes}

    def connect(
        self,
        run: Run,
        inbox: Inbox,
        store: Store,
        bell: Doorbell,
        metrics: Metrics,
        clock: Clock,
        signals: Signals | None = None,
    ) -> None:
        """Give it what it works with. `run`: makes a flow's calls. `signals`: by them processes that call an org hear that another one listens to it; None: this one does
        both."""
        for name, (org, tokens, holder) in self._orgs.items():
            if not holder.places.channels:
                continue  # an org that no channel uses: its events are nobody's

            async def token(refused: bool, tokens: Tokens = tokens) -> str:
                if refused:
                    tokens.forget()
                return str(await run(tokens.bearer(clock())))

            positions = StoredPositions(store, holder.places.lane)
            self._streams[name] = Subscription(name, org, inbox, positions, token, bell, metrics, clock=clock)
            heard = Heard(name, self._streams[name], signals)
            self._heard[name] = heard
            for lane in holder.lanes:
                self.peers[lane].listens = heard.listens
            self._registering[name] = Registering(org, holder.places, tokens, run, clock)

    def connector(self, store: Store, ground: Ground) -> SalesforceConnector | None:
        """What answers the connector page; None: this gateway routes for no org."""
        routing = [org.holder for org in self._routing()]
        return SalesforceConnector(routing, store, ground) if routing else None

    @property
    def connector_frames(self) -> tuple[str, ...]:
        """Whose pages may show the connector page."""
        return tuple(dict.fromkeys(frame for org in self._routing() for frame in org.settings.connector_frames))

    @property
    def connector_toolkit(self) -> Path | None:
        """The bundled toolkit, if an org's settings name one."""
        return next((org.settings.connector_toolkit for org in self._routing() if org.settings.connector_toolkit), None)

    def _routing(self) -> list[_Org]:
        return [org for org in self._orgs.values() if any(map(is_ours, org.holder.places.channels.values()))]

    @property
    def work(self) -> Mapping[str, Work]:
        """What runs for as long as the gateway does, by name. One process at a time does each."""
        streams = {f"salesforce {name}": heard.told(self._streams[name].run) for name, heard in self._heard.items()}
        return streams | {f"register {name}": one.run for name, one in self._registering.items()}

    def told(self, waits: Callable[[str], Mapping[str, int]]) -> str | None:
        """For /readyz: what is wrong with which org; None: nothing. `waits`: how many rows of a lane wait for another try, by code."""
        remarks = {name: self._remark(name, waits) for name in self._streams}
        return " ".join(f"{name}: {remark}" for name, remark in remarks.items() if remark) or None

    def described(self, now: datetime) -> Mapping[str, object]:
        """For /readyz?verbose: each org's stream."""
        return {name: stream.state.described(now) for name, stream in self._streams.items()}

    def _remark(self, name: str, waits: Callable[[str], Mapping[str, int]]) -> str:
        waiting: Counter[str] = Counter()
        for lane in self._orgs[name].holder.lanes:
            waiting.update(waits(lane))
        held = (
            f"Calls to the org wait for another try: {', '.join(f'{count} for {code}' for code, count in sorted(waiting.items()))}; "
            "`byoc outbox list --queued` says why."
            if waiting
            else None
        )
        failing = self._registering[name].failing
        unregistered = (
            f"What channels {', '.join(sorted(failing))} can show is not registered: {next(iter(failing.values()))}"
            if failing
            else None
        )
        return " ".join(filter(None, (self._streams[name].state.remark(), held, unregistered)))


def _pems(org: SalesforceOrg) -> list[bytes]:
    """The keys as the config gives them, or as they are in the files it names."""
    given = [one.get_secret_value() for one in org.private_keys]
    return [Path(path).read_bytes() if (path := path_of(one)) else one.encode() for one in given]
