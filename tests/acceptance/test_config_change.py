"""The config changes between two starts of the real process, over open sessions: nothing is lost, and nothing goes to the wrong org."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from adapters import registry
from gateway.edge.api import CALLS
from tests.acceptance.processes import BYOC, Process, run, start
from tests.ports import free_port
from tests.world import Outside, Rep, outside, wait_until

CHANNELS = ("moves", "bills", "gone", "stays")
READY = "/webhooks/stays"


class Company:
    """Two orgs, four channels of LINE's kind, and their simulated provider; every start reads the config as it is then."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.providers = folder, free_port(), free_port()
        made_up = registry.load()["line"].demo
        assert made_up is not None
        base, hook = f"http://127.0.0.1:{self.providers}/sim", f"http://127.0.0.1:{self.port}/webhooks"
        self.raw: dict[str, Any] = {
            "public_url": f"http://127.0.0.1:{self.port}",
            "listen": {"port": self.port},
            "data_dir": str(folder / "data"),
            "allow_private_media_hosts": [f"127.0.0.1:{self.providers}"],
            "orgs": {
                "acme": {
                    "reps": {
                        "ana": {"name": "Ana", "tokens": ["token-ana"]},
                        "ben": {"name": "Ben", "tokens": ["token-ben"]},
                        "sam": {"name": "Sam", "tokens": ["token-sam"], "supervisor": True},
                    },
                    "queues": {
                        "support": {"name": "Support", "reps": ["ana", "ben"]},
                        "billing": {"name": "Billing", "reps": ["ben"]},
                    },
                },
                "beta": {
                    "reps": {"zoe": {"name": "Zoe", "tokens": ["token-zoe"], "supervisor": True}},
                    "queues": {"all": {"name": "All", "reps": ["zoe"]}},
                },
            },
            "channels": {
                key: {
                    "kind": "line",
                    "org": "acme",
                    "queue": "support",
                    "account": dict(made_up(key, f"{base}/{key}", f"{hook}/{key}")),
                }
                for key in CHANNELS
            },
        }
        self.raw["channels"]["bills"]["queue"] = "billing"

    def changed(self) -> None:
        """A channel is given away, a queue and a channel and a rep are removed."""
        raw = self.raw = copy.deepcopy(self.raw)
        raw["channels"]["moves"] |= {"org": "beta", "queue": "all"}
        raw["channels"]["bills"]["queue"] = "support"
        del raw["channels"]["gone"], raw["orgs"]["acme"]["queues"]["billing"], raw["orgs"]["acme"]["reps"]["ben"]
        raw["orgs"]["acme"]["queues"]["support"]["reps"] = ["ana"]

    def written(self) -> str:
        path = self.folder / "gateway.yaml"
        path.write_text(yaml.safe_dump(self.raw))
        return str(path)

    async def serve(self) -> Process:
        return await start(*BYOC, "serve", "--config", self.written(), ready=READY, log=self.folder / "log")

    async def simulate(self) -> Process:
        options = ("--config", self.written(), "--port", str(self.providers), "--data", str(self.folder / "providers"))
        return await start(*BYOC, "simulate", *options, ready="phones:", log=self.folder / "providers.log")


async def texts(rep: Rep) -> dict[str, list[str]]:
    """All that was said in each session that this rep may see, by channel, the oldest session first."""
    found: dict[str, list[str]] = {}
    for session in reversed(await rep.items("/sessions")):
        said = [entry["text"] for entry in await rep.transcript(session["id"]) if entry["kind"] == "message"]
        found.setdefault(session["channel_id"], []).extend(said)
    return found


async def says(phones: Outside, channel_id: str, text: str, rep: Rep) -> None:
    """The customer writes, and it stands in a session that this rep may see."""
    assert (await phones.customer(channel_id).says(text)).status == 201

    async def heard() -> bool:
        return text in (await texts(rep)).get(channel_id, [])

    await wait_until(heard, what=f"{text!r} in a session of {channel_id}")


async def test_sessions_outlive_a_change_of_the_config(tmp_path: Path) -> None:
    company = Company(tmp_path)
    started = [await company.simulate(), await company.serve()]
    try:
        async with outside(f"http://127.0.0.1:{company.port}") as api, outside(f"http://127.0.0.1:{company.providers}") as phones:
            ana, ben, sam, zoe = (api.rep(login, f"token-{login}") for login in ("ana", "ben", "sam", "zoe"))
            await ana.present()
            taken = {}
            for channel_id in ("moves", "gone", "stays"):
                await says(phones, channel_id, f"a word for acme on {channel_id}", sam)
                taken[channel_id] = (await ana.take(channel_id))["id"]
            await says(phones, "bills", "a word for acme on bills", sam)
            await ben.present()
            invited = await ana.post(f"/sessions/{taken['stays']}/invitations", {"recipient": {"type": "agent", "id": "ben"}})
            joined = await ben.post(f"/sessions/{taken['stays']}/invitations/{invited.json['id']}/accept")
            assert joined.status == 200, joined
            assert (await ana.say(taken["moves"], "acme's last word")).status == 201
            await started[-1].kill()

            company.changed()
            checked = await run(*BYOC, "check", "--config", company.written(), "--data", str(tmp_path / "data"))
            assert checked.code == 0, checked
            for words in (
                "Channel moves moves to org beta",
                "Channel gone is not in the config",
                "Org acme has no queue billing",
                "Rep ben",
            ):
                assert words in checked.out, checked
            started.append(await company.serve())

            # Given away: the old org reads why, the new one reads what is said to it, and that alone.
            assert await zoe.items("/sessions") == []
            ended = await ana.get(f"/sessions/{taken['moves']}")
            assert ended.json["status"] == "ended"
            changes = [entry["details"] for entry in await ana.transcript(taken["moves"]) if entry["kind"] == "status_changed"]
            assert changes[-1]["reason"] == "channel_moved"
            await says(phones, "moves", "a word for beta", zoe)
            assert await texts(zoe) == {"moves": ["a word for beta"]}
            assert (await zoe.get(f"/sessions/{taken['moves']}/entries")).status == 404

            # Acme's last word was seen, or acme is told that it was not; never both, and not by beta's doing.
            (delivery,) = [
                one
                for entry in await ana.transcript(taken["moves"])
                if entry["text"] == "acme's last word"
                for one in entry["delivery"]
            ]
            seen = [line["text"] for line in await phones.customer("moves").seen("message")].count("acme's last word")
            assert (delivery["status"], seen) in {("sent", 1), ("failed", 0), ("unknown", 0), ("unknown", 1)}, delivery

            # The queue is gone: who serves the channel's queue is asked.
            await ana.present()
            assert (await ana.take("bills"))["queue"] == "support"

            # The channel is gone: its session is readable, no call of the API fails on it, and its rep is free.
            assert (await ana.get(f"/sessions/{taken['gone']}")).json["status"] == "inactive"
            await _no_call_fails(ana, taken["gone"])
            assert (await ana.post(f"/sessions/{taken['gone']}/end")).status == 200

            # The rep is gone; the conversation goes on.
            stays = (await ana.get(f"/sessions/{taken['stays']}")).json
            assert [p["id"] for p in stays["participants"] if p["role"] == "rep"] == ["ana"]
            assert (await ben.get("/me")).status == 401
            assert (await ana.say(taken["stays"], "still here")).status == 201

            async def shown() -> bool:
                return any("still here" in line["text"] for line in await phones.customer("stays").seen("message"))

            await wait_until(shown, what="Ana's words on the handset")
            assert await texts(sam) == {
                "moves": ["a word for acme on moves", "acme's last word"],
                "gone": ["a word for acme on gone"],
                "stays": ["a word for acme on stays", "still here"],
                "bills": ["a word for acme on bills"],
            }
            assert '"action": "api.failed"' not in (tmp_path / "log").read_text()
    finally:
        for one in started:
            if one.running:
                await one.kill()


async def _no_call_fails(rep: Rep, session_id: str) -> None:
    """Whatever is asked of the session is answered or refused. Its end comes last, and is asked for by the test."""
    asked = 0
    for call in CALLS:
        if "{session_id}" not in call.path or call.path.endswith(("/end", "/leave")):
            continue
        path = re.sub(r"\{\w+\}", "nothing", call.path.replace("{session_id}", session_id))
        query = "?type=agent" if "destinations" in path else ""
        bodies: list[dict[str, Any]] = [{}, {"text": "hello"}, {"on": True}, {"recipient": {"type": "agent", "id": "ana"}}]
        for body in bodies if call.method in ("POST", "PUT") else [{}]:
            how: dict[str, Any] = {"json": body} if call.method in ("POST", "PUT") else {}
            answer = await rep(call.method, path + query, **how)
            assert answer.status < 500, (call.method, path, answer)
            asked += 1
    assert asked > 20
