"""The gateway's calls against the simulated org, over real sockets: whatever one of them writes, the other, which is strict, understands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from adapters.contract import Capabilities, Sent
from adapters.envelope import Address, ChannelId, OutboundFile, TextPart
from adapters.errors import SendFailed, Verdict
from gateway.brokers.salesforce import calls, capabilities, formats
from gateway.brokers.salesforce.codes import OrgFault
from gateway.brokers.salesforce.events import Choice
from gateway.brokers.salesforce.simulator.contract import Chosen, Content, CustomerSays, Filled, Text, Upload
from gateway.brokers.salesforce.tokens import Tokens
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg
from gateway.journal.driver import Driver
from gateway.store.contract import Call
from tests.brokers.salesforce.mapped import an_org, tokens_of
from tests.brokers.salesforce.simulator.service import ANA, BEN, DEFINITIONS, MILLIS, NOW, ORG, QUEUE, Service, running

CAPABILITIES = Capabilities(inbound=frozenset({"text"}), outbound=frozenset({"text"}), max_text=1_600)
CHOICE = Choice(id="yes", title="Yes, please")
SAID: list[tuple[str, formats.Interaction, Content]] = [
    ("text", formats.text("Grüße 🙂", answers="earlier"), Text("Grüße 🙂")),
    (
        "a choice",
        formats.interactions([TextPart(text="1")], answers="earlier", choices=[CHOICE])[0],
        Chosen((("yes", "Yes, please"),)),
    ),
    ("a form", formats.form_answers({"name": "Kim"}, answers="earlier"), Filled((("name", "Kim"),))),
]


class Gateway:
    """The side that calls. `memory` is what the answers told it, of one conversation."""

    def __init__(self, service: Service, driver: Driver, address: str, **settings: Any) -> None:
        self.service = service
        self.org: SalesforceOrg = an_org(
            org_id=ORG,
            consumer_key="key",
            username="byoc@example.com",
            login_url=service.url,
            instance_url=service.url,
            scrt_url=service.url,
            **settings,
        )
        self.channel = SalesforceChannel(
            org="main",
            address=address,
            definition=DEFINITIONS[address],
            product="messaging" if address == "messaging" else "ccaas",
        )
        self.memory: dict[str, Any] = {}
        self._tokens: Tokens = tokens_of(self.org)
        self._driver = driver
        self._rows = 0

    async def send(
        self, operation: str, body: Mapping[str, Any], *, file: OutboundFile | None = None, again: bool = False
    ) -> Sent:
        self._rows += not again
        call = Call(
            id=str(self._rows),
            channel_id=ChannelId("salesforce:main"),
            to=Address("sms/kim"),
            retry_key=f"row {self._rows}",
            created_at=NOW,
            about=ChannelId("sms"),
            operation=operation,
            body=dict(body),
            memory=dict(self.memory),
        )
        flow = calls.send(call, file=file, org=self.org, channel=self.channel, tokens=self._tokens, now=self.service.clock())
        try:
            sent = await self._driver.run(flow)
        except SendFailed as failed:
            self.memory |= failed.remember or {}
            raise
        self.memory |= sent.remember or {}
        return sent

    async def says(self, words: str = "hello") -> Sent:
        return await self.send("interaction", formats.text(words).body)

    @property
    def entries(self) -> list[CustomerSays]:
        kept = self.service.org.threads[self.memory["conversation"]].entries
        return [one for one in kept if isinstance(one, CustomerSays)]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    driver = Driver()
    yield driver
    await driver.close()


@pytest.fixture
def gateway(service: Service, driver: Driver) -> Gateway:
    return Gateway(service, driver, "messaging")


@pytest.fixture
def partner(service: Service, driver: Driver) -> Gateway:
    return Gateway(service, driver, "partner")


@pytest.mark.parametrize(("interaction", "content"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
async def test_what_customers_say(interaction: formats.Interaction, content: Content, gateway: Gateway) -> None:
    sent = await gateway.send("interaction", interaction.body)
    (said,) = gateway.entries
    assert (said.content, said.reply_to, said.at) == (content, "earlier", NOW)
    assert sent.message_ids == (said.entry_id,)


async def test_a_file(gateway: Gateway) -> None:
    picture = OutboundFile(
        name='a "b"\r\n ü.jpg', mime_type="image/jpeg", size_bytes=3, url="https://files.example", content=b"\r\n-"
    )
    await gateway.send("interaction", {"interactionType": "AttachmentInteraction", "text": "look"}, file=picture)
    (said,) = gateway.entries
    assert said.content == Upload('a "b"\r\n ü.jpg', "image/jpeg", b"\r\n-", "look")


async def test_typing_receipts_and_failures(gateway: Gateway) -> None:
    await gateway.says()
    thread = gateway.service.org.threads[gateway.memory["conversation"]]
    await gateway.send("interaction", formats.typing(True).body)
    assert thread.typing
    await gateway.send("interaction", formats.typing(False).body)
    await gateway.send("interaction", formats.delivery_failed("rep's", "window_closed", "It is closed.").body)
    assert thread.failures == [("rep's", "window_closed")]
    listed = [formats.acknowledgement("delivered", "rep's", MILLIS), formats.acknowledgement("read", "rep's", MILLIS)]
    await gateway.send("acknowledgement", {"acknowledgements": listed})
    assert [(one.status, one.entry_id) for one in thread.receipts] == [("Delivered", "rep's"), ("Read", "rep's")]


async def test_capabilities_and_a_conversation(gateway: Gateway) -> None:
    await gateway.send("capabilities", capabilities.body(CAPABILITIES, gateway.channel, gateway.org))
    assert gateway.service.org.registered.keys() == {"Byoc_Sms"}
    await gateway.send("conversation", {})
    assert gateway.memory["work_item"].startswith("0Mw")


async def test_the_same_row_again_has_the_same_entry(gateway: Gateway) -> None:
    gateway.service.faults.apply({"idempotent": True, "answer": [{"code": 0, "when": "after"}, {"code": 10055, "when": "after"}]})
    with pytest.raises(SendFailed) as lost:
        await gateway.says()
    with pytest.raises(SendFailed) as aborted:
        await gateway.send("interaction", formats.text("hello").body, again=True)
    await gateway.send("interaction", formats.text("hello").body, again=True)
    assert {lost.value.verdict, aborted.value.verdict} == {Verdict.again}
    assert len(gateway.entries) == 1


async def test_a_token_that_expired_is_renewed(gateway: Gateway) -> None:
    await gateway.says()
    gateway.service.faults.expire_tokens()
    await gateway.says()
    assert len(gateway.entries) == 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"read_only": True}, "10019"),
        ({"unknown": ["messaging"]}, "10017"),
        ({"inactive": ["messaging"]}, "10031"),
        ({"answer": {"code": 10099}}, "10099"),
    ],
)
async def test_a_fault_of_the_org_ends_no_row(fault: dict[str, Any], code: str, gateway: Gateway) -> None:
    await gateway.says()
    gateway.service.faults.apply(fault)
    with pytest.raises(SendFailed) as failed:
        await gateway.says()
    assert (failed.value.verdict, failed.value.provider_code) == (Verdict.again, code)
    gateway.service.faults.apply({"clear": True})
    await gateway.says("at last")
    assert gateway.entries[-1].content == Text("at last")


async def test_too_many_calls_are_made_later(gateway: Gateway) -> None:
    gateway.service.faults.apply({"requests_per_second": 1})
    await gateway.says()
    with pytest.raises(SendFailed, match="rate_limited"):
        await gateway.says()
    gateway.service.clock.now += timedelta(seconds=1)
    await gateway.says()


async def test_a_stranger_is_told_so(service: Service, driver: Driver) -> None:
    gateway = Gateway(service, driver, "messaging")
    gateway._tokens = tokens_of(gateway.org, "stranger")
    with pytest.raises(OrgFault) as refused:
        await gateway.says()
    assert (refused.value.code, refused.value.detail) == ("not_authorised", "invalid assertion")


async def test_partner_routing(partner: Gateway) -> None:
    org = partner.service.org
    await partner.says()
    await partner.send("agent_work", {"userId": ANA, "routingType": "Initial", "routingCorrelationId": "c"})
    await partner.send("close_agent_work", {"userId": ANA})
    await partner.send("agent_work", {"userId": BEN, "routingType": "Initial", "routingCorrelationId": "c"})
    await partner.send("routing_result", {"success": True})
    org.accept(partner.memory["agent_work"])
    conversation = partner.memory["conversation"]
    assert org.routing.participants(conversation) == (BEN,)

    await partner.send("route", {"routingType": "Conference", "routingInfo": {"queueId": QUEUE}})
    assert org.routing.psrs.keys() == {conversation}
    await partner.send("unroute", {"cancelReason": "Decline"})
    assert org.routing.psrs == {}

    await partner.send("participant", {"subject": BEN})
    assert org.routing.participants(conversation) == ()
    await partner.send("consent", {"consentStatus": "ExplicitlyOptedIn"})
    assert org.consents == {("partner", "kim"): "ExplicitlyOptedIn"}
    await partner.send("session", {"operation": "End", "operationBy": "EndUser"})
    thread = org.threads[conversation]
    assert thread.open is None
