"""An org's `proxy` carries every call to it: sign-in, the Interaction Service, files, and the checks. (The stream: test_connection.)"""

from __future__ import annotations

from adapters.contract import HttpCall, HttpReply
from adapters.envelope import ChannelId, MediaPart
from gateway.brokers.salesforce import calls, formats
from gateway.brokers.salesforce.inspecting import Inspector
from gateway.brokers.salesforce.lanes import LanePeer
from gateway.brokers.salesforce.queries import permission_set
from tests.brokers.salesforce.mapped import CHANNEL, KNOWN, LANE, NOW, a_call, an_org, answered, tokens_of

PROXY = "http://user:word@proxy.example.com:3128"
ORG = an_org(proxy=PROXY)


def test_the_token_and_the_call() -> None:
    call = a_call("interaction", formats.text("hello").body, KNOWN)
    flow = calls.send(call, file=None, org=ORG, channel=CHANNEL, tokens=tokens_of(ORG), now=NOW)
    token = next(flow)
    interaction = flow.send(answered({"access_token": "t"}, 200))
    assert (token.url, token.proxy) == ("https://login.salesforce.com/services/oauth2/token", PROXY)
    assert (interaction.url, interaction.proxy) == (f"{ORG.scrt_url}/api/v1/interactions", PROXY)


def test_a_rep_s_file() -> None:
    part = MediaPart(media="file", media_id="m", source={"url": f"{ORG.instance_url}/file"})
    flow = LanePeer(ChannelId(LANE), ORG, {}, tokens_of(ORG)).media(part, NOW)
    assert next(flow).proxy == PROXY
    flow.close()


async def test_the_checks() -> None:
    asked: list[HttpCall] = []

    async def call(one: HttpCall) -> HttpReply:
        asked.append(one)
        return answered({"records": []}, 200)

    await Inspector(call, ORG, "t").records(permission_set("x"))
    assert [one.proxy for one in asked] == [PROXY]
