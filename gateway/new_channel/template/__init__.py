"""Example: a channel to start from. Its provider signs JSON webhooks and takes JSON at an HTTP API.

Say here what the channel is, what it can't do, and which of the provider's pages you read, with the date.
"""

from __future__ import annotations

from typing import Any, Final

from adapters.contract import Adapter, Capabilities, FileRule
from gateway.new_channel.template.account import ExampleAccount
from gateway.new_channel.template.inbound import parse, verify
from gateway.new_channel.template.outbound import MAX_TEXT, media, send
from gateway.new_channel.template.simulator import ExampleSimulator


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for `byoc demo`: made-up secrets, and the simulator's address."""
    return {"secrets": [f"demo-{channel_id}-secret"], "token": f"demo-{channel_id}-token", "api_base": base}


ADAPTER: Final = Adapter(
    kind="example",
    title="Example",
    account=ExampleAccount,
    # What is said here must be true: the checks look for a fixture of each name that comes in.
    capabilities=Capabilities(
        inbound=frozenset({"message.text", "message.image", "message.unknown", "receipt", "typing", "ended", "unknown"}),
        outbound=frozenset({"say.text", "say.image", "notice", "typing"}),
        max_text=MAX_TEXT,
        files=(FileRule(media="image", mime_types=("image/*",), max_bytes=5_000_000),),
        speaker="prefix",  # "native" where the channel itself shows who speaks
        retry_key=True,  # only where the provider shows a message once, however often it is sent under the same key
        receipts=frozenset({"delivered"}),
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=ExampleSimulator,
    demo=demo,
    contract=2,  # of the gateway that this was written for
)

__all__ = ["ADAPTER", "ExampleAccount", "ExampleSimulator"]
