"""How many files one message passes, by `bench/roads.py`: whoever follows a message reads that many."""

from __future__ import annotations

from pathlib import Path

from bench.roads import Road, roads

# The steps each way: what listens, the inbox or outbox, a worker, the adapter, the broker, the rules, the store, the desk's stream. The broker's step
# passes two or three files, the rules' five to seven (each rule that looks at the words is in the file of its subject), the store's four, and the adapter's two to
# four. A road that needs another file has lost its way: merge what is one subject, or leave out what only passes on.
MOST_INWARDS, MOST_OUTWARDS = 27, 26  # outwards, the answer to the rep may be made before the provider has the message


def names(road: Road) -> set[str]:
    return {str(path) for path in (*road.gateway, *road.channel)}


async def test_a_message_passes_few_files() -> None:
    inwards, outwards = await roads("sms")
    assert {"gateway/edge/webhooks.py", "gateway/journal/receiver.py", "gateway/edge/api/stream.py"} <= names(inwards)
    assert {"gateway/edge/api/messages.py", "gateway/journal/sender.py", "adapters/sms/outbound.py"} <= names(outwards)
    assert (len(inwards) <= MOST_INWARDS, len(outwards) <= MOST_OUTWARDS) == (True, True), f"{inwards}\n{outwards}"
    assert not {path for path in names(inwards) | names(outwards) if "simulat" in Path(path).stem}, (
        "the provider isn't on the road"
    )
