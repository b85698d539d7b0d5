"""What Salesforce's answers mean for a row of the outbox: again, held, or over.

A fault of the org is not a fault of the message: what an admin can repair holds the rows, and they go on afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

from adapters.errors import SendFailed, Verdict

Scope: TypeAlias = Literal["channel", "org"]


class OrgFault(SendFailed):
    """The org, or what it has of one channel, is not set up for the call, so every row like it would fail the same way.

    For whoever sends rows: `holds` is True. Such a row stays queued however old it is, is never `failed`, and is tried again now and then; until a call
    works, the rows of `scope` (the one `channel`, or the whole `org`) wait with it, and an operator is told `sentence`, which names the fix. A plain
    `SendFailed` has no such attribute: `getattr(failed, "holds", False)`.
    """

    holds = True

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        scope: Scope,
        provider_code: str | None = None,
        status: int | None = None,
        detail: str | None = None,
        again_at: datetime | None = None,
        remember: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            Verdict.again,
            code,
            sentence,
            provider_code=provider_code,
            status=status,
            detail=detail,
            again_at=again_at,
            remember=remember,
        )
        self.scope: Scope = scope
