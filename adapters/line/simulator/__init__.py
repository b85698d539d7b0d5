"""LINE's own side: an official account and its friends' phones, as strict as the real one.

Its rooms: `world` (phones, tokens, webhooks), `customers` (what happens on phones), `api` (what our calls get), `rules` (what is wrong with
them), `tokens` (access tokens). Source: LINE Developers, "Messaging API reference" and "Receiving messages".
"""

from __future__ import annotations

from datetime import datetime

from adapters.line.simulator.api import Api
from adapters.line.simulator.customers import Customers


class LineSimulator(Customers, Api):
    """One official account of the simulated LINE."""

    def loading(self, customer: str, now: datetime) -> bool:
        """Whether the phone shows the loading animation."""
        until = self.phone(customer).loading_until
        return until is not None and now < until
