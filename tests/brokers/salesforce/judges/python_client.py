"""PyPI's aiosfpubsub, driven as `node_client.js` is. It runs in a process of its own because its stubs and ours describe the same messages, which protobuf refuses."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import certifi
import grpc


async def main(config: dict[str, Any]) -> None:
    certifi.where = lambda: str(config["caFile"])  # the client offers no setting for what it trusts
    from aiosfpubsub import Client

    host, _, port = config["endpoint"].rpartition(":")
    client = Client("", "", "", host, int(port))
    client.metadata = tuple(config["metadata"].items())
    topic = config["topic"]
    say({"topic": client.get_topic(topic).schema_id})

    def heard(response: Any, _: Any) -> None:
        for one in response.events:
            payload = client.decode(client.get_schema_json(one.event.schema_id), one.event.payload)
            say({"event": one.event.id, "place": int.from_bytes(one.replay_id, "big"), "payload": payload})
        if not response.events:
            say({"keepalive": int.from_bytes(response.latest_replay_id, "big")})

    async def listen(start: str | int) -> None:
        preset = start.upper() if isinstance(start, str) else "CUSTOM"
        replay_id = start.to_bytes(8, "big") if isinstance(start, int) else b""
        try:
            await client.subscribe(topic, preset, replay_id, 100, heard)
            say({"end": True})
        except grpc.RpcError as error:
            say({"error": dict(error.trailing_metadata()).get("error-code"), "status": error.code().value[0]})

    listening: asyncio.Task[None] | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        listening = asyncio.create_task(listen(json.loads(line)["from"]))
    if listening is not None:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
