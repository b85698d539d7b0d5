"""Webhooks accepted durably per second on one core, as a ratio to a bare aiohttp handler that answers 200 to the same requests.

    python bench/webhooks.py [--seconds 6] [--connections 64]

The server has one core, the load the other. `accept` is the road of a webhook alone (verify, group commit, 200); `whole` is the gateway
with its receiver working behind it on the same core. Each is measured against the bare server of the same round; rounds alternate.
`cpu` is the server's processor time for a request and its ratio, which holds on a machine that is busy otherwise, too.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SECRET = "bench-app-secret"
CONFIG = {
    "orgs": {"bench": {"reps": {"ana": {"name": "Ana"}}, "queues": {"q": {"name": "Q", "reps": ["ana"]}}}},
    "channels": {
        "whatsapp": {
            "kind": "whatsapp",
            "org": "bench",
            "queue": "q",
        }
    },
}


def bodies(count: int) -> list[bytes]:
    """Different WhatsApp text messages of about 650 bytes, from 500 people."""
    return [_body(number) for number in range(count)]


def _body(number: int) -> bytes:
    person = f"346{number % 500:08d}"
    message = {
        "from": person,
        "id": f"wamid.bench{os.getpid()}{number:012d}",
        "timestamp": "1789640000",
        "type": "text",
        "text": {"body": f"Hello, my order {number} has not arrived yet. Could you look, please? " * 2},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550002222", "phone_number_id": "107000000000002"},
        "contacts": [{"profile": {"name": "Ana Ruiz"}, "wa_id": person}],
        "messages": [message],
    }
    entry = {"id": "204000000000001", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def requests(count: int) -> list[bytes]:
    """Signed, as bytes."""
    from bench.load import http

    made = []
    for body in bodies(count):
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature, "User-Agent": "facebookexternalua"}
        made.append(http("/webhooks/whatsapp", headers, body))
    return made


# --------------------------------------------------------------------------------------------------- servers


async def serve(kind: str, port: int, data_dir: Path) -> None:
    """One of the servers, until killed."""
    from aiohttp import web

    if kind == "bare":
        app = web.Application()

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            return web.Response()

        app.router.add_post("/webhooks/{channel_id}", answer)
        app.router.add_get("/readyz", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()
    from adapters import registry
    from gateway import config
    from gateway.app import Gateway

    raw = json.loads(json.dumps(CONFIG))
    account = registry.load()["whatsapp"].demo("whatsapp", "http://127.0.0.1:9", f"http://127.0.0.1:{port}/webhooks/whatsapp")
    raw["channels"]["whatsapp"]["account"] = {**account, "app_secrets": [SECRET], "phone_number_id": "107000000000002"}
    raw |= {"listen": {"port": port}, "public_url": f"http://127.0.0.1:{port}", "data_dir": str(data_dir)}
    gateway = Gateway(config.build(raw))
    if kind == "accept":

        async def idle() -> None:
            await asyncio.Event().wait()

        gateway.receiver.run = idle  # type: ignore[method-assign]
    async with gateway.running():
        await asyncio.Event().wait()


def start(kind: str, port: int, core: int) -> subprocess.Popen[bytes]:
    """A server of its own on one core, ready."""
    folder = tempfile.mkdtemp(prefix="byoc-bench-")
    command = [sys.executable, __file__, "--serve", kind, "--port", str(port), "--data", folder]
    process = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    for _ in range(1_000):  # a busy machine needs its time
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return process
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"{kind} did not start")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(kind: str, port: int, made: list[bytes], arguments: argparse.Namespace) -> tuple[float, float, float, float, int]:
    """(processor time a request in µs, per second, p50 ms, p99 ms, not 200)."""
    import uvloop

    from bench.load import drive

    process = start(kind, port, 0)
    used = cpu_seconds(process.pid)
    try:
        supply = itertools.cycle(made) if kind == "bare" else iter(made)
        result = uvloop.run(drive(port, supply, connections=arguments.connections, seconds=arguments.seconds))
        used = cpu_seconds(process.pid) - used
    finally:
        process.kill()
        process.wait()
    return used / max(1, result.answered) * 1e6, result.per_second, result.quantile(0.5), result.quantile(0.99), result.refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=["bare", "accept", "whole"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=18_900)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        import uvloop

        uvloop.run(serve(arguments.serve, arguments.port, arguments.data))
        return
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {1})
    made = requests(int(arguments.seconds * 25_000))
    print(
        f"{arguments.connections} connections, {arguments.seconds:g} s a run, bodies of {len(_body(1))} bytes, server on one core"
    )
    ratios: dict[str, list[float]] = {"accept": [], "whole": []}
    port = arguments.port
    for number in range(arguments.rounds):
        rates, cpu = {}, {}
        for kind in ("bare", "accept", "whole"):
            port += 1
            cpu[kind], rates[kind], p50, p99, refused = measure(kind, port, made, arguments)
            ratio = rates[kind] / rates["bare"]
            if kind != "bare":
                ratios[kind].append(ratio)
            print(
                f"round {number + 1}  {kind:7} {rates[kind]:9,.0f}/s  ratio {ratio:5.2f}  "
                f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  cpu {cpu[kind]:5.0f} µs ({cpu['bare'] / cpu[kind]:.2f})  not 200: {refused}",
                flush=True,
            )
    for kind, values in ratios.items():
        print(f"{kind}: median ratio to bare aiohttp {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
