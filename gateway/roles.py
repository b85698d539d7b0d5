"""What a process does of a gateway's work: all of it, or with `serve --role` a part, any number of times beside the others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, TypeAlias, cast, get_args

from gateway.config import GatewayConfig
from gateway.errors import GatewayError

Role: TypeAlias = Literal["edge", "broker", "sender", "api"]
# edge: takes webhooks. broker: applies what came in; timers. sender: calls providers. api: the API, the pages, web chat.
ALL: Final[frozenset[Role]] = frozenset(get_args(Role))


def roles_of(named: Collection[str], config: GatewayConfig, *, apart: bool = False) -> frozenset[Role]:
    """The roles that are meant; none means all. `apart`: with the edge process of `serve --processes`. Raises GatewayError when the config doesn't allow them."""
    roles = ALL if not named or "all" in named else frozenset(cast("Collection[Role]", named))
    on_sqlite = [org for org in config.orgs if org not in config.stores] if config.store is None else []
    if roles != ALL and (on_sqlite or not config.orgs):
        raise GatewayError(
            "--role needs a database that several processes can share, and this config keeps everything in SQLite: set `store` to a postgresql:// address, or leave out "
            "--role (docs/scaling.md)"
        )
    if apart and (config.store is not None or config.stores):
        raise GatewayError(
            "--processes is for SQLite: with `store` or `stores` in the config, start more processes, each with its --role (docs/scaling.md)"
        )
    if apart and config.inbox is not None:
        raise GatewayError("--processes keeps webhooks in a file, and `inbox` in the config in NATS: leave out one of them")
    if apart and roles != ALL:
        raise GatewayError("give --role or --processes, not both")
    return roles
