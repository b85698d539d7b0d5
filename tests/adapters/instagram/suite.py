"""Instagram as the checks that hold for every adapter see it."""

from __future__ import annotations

from typing import Final

from adapters.conformance import Suite
from adapters.instagram import ADAPTER
from tests.adapters._meta.signed import sign
from tests.adapters.instagram.account import FIXTURES, account

SUITE: Final = Suite(adapter=ADAPTER, account=account(), fixtures=FIXTURES, sign=sign, proof_headers=("x-hub-signature-256",))
