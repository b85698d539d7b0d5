"""A config that changes between two starts, over sessions that are open: nothing is stranded, nothing is told to the wrong org."""

from __future__ import annotations

import copy
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.envelope import Address, ChannelId, EndUser
from gateway import config
from gateway.app import Gateway
from gateway.brokers.contract import Caller, Effect
from gateway.errors import BrokerUnavailable
from gateway.identity.directory import caller_for
from gateway.session.commands import AcceptWork, End, Invite, Leave, SayToCustomer
from gateway.session.decision import Refusal
from gateway.session.model import Login, Presence, Purpose, Recipient, RecipientType, Session, Status
from tests.brokers.desk import Desk, alone
from tests.chosen import store_of

LINE = {
    "channel_secrets": ["0123456789abcdef0123456789abcdef"],
    "access_tokens": ["a-long-lived-channel-access-token"],
}
RAW: dict[str, Any] = {
    "orgs": {
        "acme": {
            "reps": {"ana": {"name": "Ana"}, "ben": {"name": "Ben"}, "sam": {"name": "Sam", "supervisor": True}},
            "queues": {
                "support": {"name": "Support", "reps": ["ana", "ben"]},
                "billing": {"name": "Billing", "reps": ["ben"]},
            },
        },
        "beta": {
            "reps": {"ana": {"name": "Anna"}, "zoe": {"name": "Zoe", "supervisor": True}},
            "queues": {"all": {"name": "All", "reps": ["ana"]}},
        },
    },
    "channels": {"line": {"kind": "line", "org": "acme", "queue": "support", "account": LINE}},
}


LINE_ID = ChannelId("line")


@dataclass
class Shop(Desk):
    """A desk whose config changes from start to start. Reps are of `acme` unless an org is named."""

    channel_id: ChannelId = LINE_ID
    raw: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(RAW))
    customer: str = "kim"
    nameless: bool = False  # the channel's events don't call people by a name
    fault: Callable[[str], None] | None = None

    def _build(self) -> None:
        self._gateway = self._gateway_anew()
        self.broker = alone(self._gateway)

    def _gateway_anew(self) -> Gateway:
        raw = {
            **copy.deepcopy(self.raw),
            "data_dir": str(self.data_dir),
            "listen": {"port": 0},
            **({} if self.in_files else store_of(self.data_dir)),
        }
        return Gateway(config.build(raw), clock=lambda: self.now, fault=self.fault)

    def caller(self, login: str, org: str = "acme") -> Caller:
        return caller_for(self._gateway.loaded.orgs[org], login)

    def event(self, name: str | None = None) -> dict[str, Any]:
        return super().event(name) | {
            "end_user": EndUser(address=Address(self.customer), name=None if self.nameless else self.customer.title())
        }

    @property
    def line(self) -> dict[str, Any]:
        found: dict[str, Any] = self.raw["channels"]["line"]
        return found

    async def of(self, org: str, login: str) -> list[Session]:
        page = await self.broker.sessions(self.caller(login, org), status=None, mine=False, q=None, cursor=None, limit=100)
        return list(page.items)

    async def reasons(self, session_id: str) -> list[Any]:
        """Of all changes of status, as its org's supervisor reads them."""
        lines = await self.lines(session_id)
        return [line.entry.details["reason"] for line in lines if line.entry.kind.value == "status_changed"]


@asynccontextmanager
async def shop(data_dir: Path, *, in_files: bool = False) -> AsyncIterator[Shop]:
    one = Shop(data_dir, in_files=in_files)
    await one.broker.open()
    try:
        yield one
    finally:
        await one.broker.close()


# ---------------------------------------------------------------------------------------------------- queues


async def test_waiting_sessions_of_a_queue_that_is_gone_are_the_channels_queues(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        one.line["queue"] = "billing"
        await one.restart()
        await one.take_in(one.message())
        one.line["queue"] = "support"
        del one.raw["orgs"]["acme"]["queues"]["billing"]
        await one.restart()
        session = await one.session()
        assert (session.status, session.queue) == (Status.waiting, "support")
        assert (await one.lines(session.id))[-1].entry.details == {
            "from": "waiting",
            "to": "waiting",
            "reason": "queue_removed",
            "from_queue": "billing",
            "to_queue": "support",
        }
        await one.present("ana")  # Ana never served billing
        await one.does(AcceptWork(by=Login("ana")), session.id)


async def test_inactive_sessions_of_a_queue_that_is_gone_are_served_when_the_customer_writes(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        one.later(25 * 3600)
        await one.timers_fire()
        assert (await one.session()).status is Status.inactive
        queues = one.raw["orgs"]["acme"]["queues"]
        queues["help"] = queues.pop("support")
        one.line["queue"] = "help"
        await one.restart()
        assert (await one.session()).queue == "help"
        await one.present("ana", status=Presence.offline)
        await one.present("ben")
        await one.take_in(one.message("again"))
        await one.does(AcceptWork(by=Login("ben")), session_id)


async def test_sessions_of_a_channel_that_had_no_queue_get_the_one_it_has_now(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        one.line["queue"] = None
        await one.restart()
        await one.take_in(one.message())
        one.line["queue"] = "support"
        await one.restart()
        await one.present("ana")
        await one.does(AcceptWork(by=Login("ana")), (await one.session()).id)


async def test_an_offer_goes_on_from_who_no_longer_serves_the_queue(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        await one.present("ana", "ben")
        await one.take_in(one.message())
        offered = (await one.session()).offer
        assert offered is not None
        other = "ben" if offered.rep == "ana" else "ana"
        one.raw["orgs"]["acme"]["queues"]["support"]["reps"] = [other]
        await one.restart()
        session = await one.session()
        assert session.offer is not None
        assert session.offer.rep == other
        await one.does(AcceptWork(by=Login(other)), session.id)


# -------------------------------------------------------------------------------------------------- moved orgs


async def test_a_channel_moved_to_another_org_ends_the_old_orgs_session_and_opens_one_in_the_new(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        one.line.update({"org": "beta", "queue": "all"})
        await one.restart()
        assert (await one.session()).status is Status.ended
        assert (await one.reasons(session_id))[-1] == "channel_moved"
        assert await one.texts(session_id) == ["hello"]
        assert await one.of("beta", "zoe") == []
        await one.take_in(one.message("who is there?"))
        (opened,) = await one.of("beta", "zoe")
        assert opened.status is Status.waiting
        assert await one.texts(session_id) == ["hello"], "the old org hears nothing more"


async def test_a_renamed_org_opens_new_sessions_for_its_customers(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        await one.conversation()
        one.raw["orgs"]["acme-gmbh"] = one.raw["orgs"].pop("acme")
        one.line["org"] = "acme-gmbh"
        await one.restart()
        assert await one.of("acme-gmbh", "sam") == []
        assert await one.take_in(one.message("still there?")) == [None]
        assert [s.status for s in await one.of("acme-gmbh", "sam")] == [Status.waiting]


async def test_what_waits_to_go_out_never_goes_out_by_a_channel_of_another_org(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        await one.say(session_id, "acme's own words")
        one.line.update({"org": "beta", "queue": "all"})
        await one.restart()
        assert await one.begun() == []
        (delivery,) = [d for line in await one.lines(session_id) if line.entry.text == "acme's own words" for d in line.delivery]
        assert (delivery.status, delivery.code) == ("failed", "channel_moved")
        again = await one.broker.resend(one.caller("sam"), session_id, delivery.outbox_id)
        assert isinstance(again, Refusal)
        assert again.code == "not_resendable"
        # `byoc outbox replay` works on the file alone: the sender's lease is the last guard.
        await one.replay(delivery.outbox_id)
        assert await one.begun() == []


async def test_who_the_customer_was_to_one_org_is_not_told_to_another(tmp_path: Path) -> None:
    """Names, answers to forms, and edits of what was said to the old org stay there."""
    async with shop(tmp_path) as one:
        told = EndUser(address=Address("kim"), name=None, profile={"prechat": "order 66"})
        await one.take_in(one.message("my order", message_id="m1").model_copy(update={"end_user": told}))
        await one.broker.profiles.learned("line", "kim", EndUser(address=Address("kim"), name="Kim Secret"))
        await one.take_in(one.edit("later", "an edit that waits for its message"))
        session_id = (await one.session()).id
        one.line.update({"org": "beta", "queue": "all"})
        one.nameless = True
        await one.restart()
        assert (await one.broker.profiles.end_user("line", "kim")).name is None
        assert await one.broker.profiles.unknown(["line"], limit=10) == [], "providers aren't asked about everyone at once"
        await one.take_in(one.message("hi", message_id="later"))
        await one.take_in(one.edit("m1", "new words for the old message"), one.reaction("m1", "👍"))
        (opened,) = await one.of("beta", "zoe")
        assert opened.end_user.name == "kim"
        assert await one.rows("SELECT json_extract(person, '$.profile') FROM conversations") == [(None,)]
        page = await one.broker.entries(one.caller("zoe", "beta"), opened.id, before=None, after=0, limit=100)
        assert not isinstance(page, Refusal)
        assert [line.entry.kind.value for line in page.items] == ["message"]
        assert not page.items[0].edited
        assert await one.broker.profiles.unknown(["line"], limit=10) == [("line", "kim")], "who writes is asked about anew"
        kinds = await one.kinds(session_id)
        assert "message_edited" not in kinds
        assert "reaction" not in kinds
        await one.take_in(one.deletion("m1"))  # what is taken back is taken back
        assert (await one.kinds(session_id))[-1] == "message_deleted"


@pytest.mark.parametrize("login", ["ana", "zoe"])
async def test_the_new_org_reads_nothing_of_the_old_orgs_sessions(tmp_path: Path, login: str) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.say(session_id, "a secret", key="k1")
        one.line.update({"org": "beta", "queue": "all"})
        await one.restart()
        stranger = one.caller(login, "beta")
        assert isinstance(await one.broker.session(stranger, session_id), Refusal)
        assert isinstance(await one.broker.entries(stranger, session_id, before=None, after=None, limit=10), Refusal)
        assert isinstance(await one.broker.audit(stranger, session_id, cursor=None, limit=10), Refusal)
        said = SayToCustomer(by=Login(login), text="a secret")
        assert isinstance(await one.broker.command(stranger, session_id, said, key="k1"), Refusal)
        (row,) = await one.rows("SELECT id FROM outbox WHERE kind = 'say'")
        assert isinstance(await one.broker.resend(stranger, session_id, row[0]), Refusal)


# ------------------------------------------------------------------------------------------- removed channels


async def test_a_removed_channels_sessions_are_readable_endable_and_free_their_reps(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        line = one.raw["channels"].pop("line")
        await one.restart()
        assert (await one.session("ana")).status is Status.inactive
        assert (await one.reasons(session_id))[-1] == "channel_removed"
        assert await one.rows("SELECT sum(counts) FROM rep_sessions") == [(0,)]
        refused = await one.refused_or_done(SayToCustomer(by=Login("ana"), text="hi"), session_id)
        assert isinstance(refused, Refusal)
        assert refused.code == "session_not_active"
        assert "channel" in refused.sentence
        destinations = await one.broker.destinations(
            one.caller("ana"), session_id, purpose=Purpose.invite, type=RecipientType.agent, q="", cursor=None, limit=10
        )
        assert isinstance(destinations, Refusal)
        await one.does(Leave(by=Login("ben")), session_id)
        one.later(30)
        await one.timers_fire()  # the held leave notice
        await one.does(End(by=Login("ana")), session_id)
        assert (await one.session()).status is Status.ended
        skipped = [line.entry.details.get("skipped") for line in await one.lines(session_id) if line.entry.kind.value == "notice"]
        assert skipped[-1] == "The channel is no longer in the config."
        one.raw["channels"]["line"] = line
        await one.restart()
        assert await one.take_in(one.message("hello?")) == [None]
        assert len(await one.sessions()) == 2


async def test_what_waits_for_a_removed_channel_fails_with_a_word(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        (joined,) = await one.begun()
        assert joined.message.kind == "notice"  # its call is running when the process dies
        await one.say(session_id, "later")
        line = one.raw["channels"].pop("line")
        await one.restart()
        found = [(d.status, d.code) for one_line in await one.lines(session_id) for d in one_line.delivery]
        assert found == [("unknown", "channel_removed"), ("failed", "channel_removed")]
        one.raw["channels"]["line"] = line
        await one.restart()
        rows = await one.rows("SELECT id FROM outbox WHERE state = 'failed'")
        answer = await one.broker.resend(one.caller("ana"), session_id, rows[0][0])
        assert isinstance(answer, Effect)
        assert [item.id for item in await one.begun()] == [rows[0][0]]


async def test_a_channel_that_comes_back_takes_its_sessions_up_again(tmp_path: Path) -> None:
    """Nobody has to write again: who was served goes on, who waited is routed."""
    async with shop(tmp_path) as one:
        served = await one.conversation()
        one.customer = "lee"
        one.later(1)
        await one.take_in(one.message("me too"))
        line = one.raw["channels"].pop("line")
        await one.restart()
        assert {s.status for s in await one.sessions()} == {Status.inactive}
        one.raw["channels"]["line"] = line
        await one.restart()
        found = {s.end_user.id: s for s in await one.sessions()}
        assert found["kim"].status is Status.active
        assert found["lee"].status is Status.waiting
        await one.broker.connected(one.caller("ana"))
        assert found["lee"].offer is not None
        await one.does(AcceptWork(by=found["lee"].offer.rep), found["lee"].id)
        await one.say(served, "where were we")
        one.later(300)
        await one.timers_fire()  # Ana was there within the grace time
        assert [rep.id for rep in (await one.broker.session(one.caller("sam"), served)).reps] == ["ana"]  # type: ignore[union-attr]


async def test_an_org_that_is_gone_with_its_channels_stands_in_nobodys_way(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        await one.conversation()
        await one.broker.connected(one.caller("ana"))
        acme, line = one.raw["orgs"].pop("acme"), one.raw["channels"].pop("line")
        await one.restart()
        one.later(48 * 3600)
        await one.timers_fire()
        assert await one.of("beta", "zoe") == []
        one.raw["orgs"]["acme"], one.raw["channels"]["line"] = acme, line
        await one.restart()
        await one.present("ben")
        await one.does(AcceptWork(by=Login("ben")), (await one.session()).id)


async def test_a_channel_of_another_kind_is_another_channel(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.say(session_id, "for LINE")
        one.line.update(kind="open", account=_open_account())
        await one.restart()
        assert (await one.session()).status is Status.ended
        assert (await one.reasons(session_id))[-1] == "channel_kind_changed"
        assert await one.begun() == []
        assert await one.rows("SELECT memory FROM conversations") == []
        await one.take_in(one.message("hello"))
        assert len(await one.sessions()) == 2


@pytest.mark.parametrize("cut_off", [False, True], ids=["queued", "its call was cut off"])
async def test_what_was_written_for_one_kind_never_goes_out_by_another(tmp_path: Path, cut_off: bool) -> None:
    """The address and the words are the old kind's, whenever an operator replays them."""
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.deliver()
        await one.say(session_id, "for LINE")
        one.line.update(kind="sms", account=_sms_account())
        await one.restart()
        (row,) = await one.rows("SELECT id, state, code FROM outbox WHERE kind = 'say'")
        assert row[1:] == ("failed", "channel_kind_changed")
        await one.replay(row[0])
        if cut_off:
            await one.write("UPDATE outbox SET state = 'sending' WHERE id = ?", row[0])
        await one.restart()
        assert await one.begun() == []
        (delivery,) = [d for line in await one.lines(session_id) if line.entry.text == "for LINE" for d in line.delivery]
        assert (delivery.status, delivery.code) == ("unknown" if cut_off else "failed", "channel_kind_changed")
        one.line.update(kind="line", account=LINE)
        await one.restart()
        await one.replay(row[0])
        assert [item.id for item in await one.begun()] == [row[0]], "by the kind that it was written for"


def _open_account() -> dict[str, Any]:
    from adapters import registry

    return dict(registry.load()["open"].demo("line", "http://127.0.0.1:1/sim/line", "http://127.0.0.1:1/webhooks/line"))


# ---------------------------------------------------------------------------------------------- removed reps


async def test_a_removed_rep_leaves_at_the_start(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.deliver()
        del one.raw["orgs"]["acme"]["reps"]["ben"]
        one.raw["orgs"]["acme"]["queues"]["support"]["reps"] = ["ana"]
        del one.raw["orgs"]["acme"]["queues"]["billing"]
        await one.restart()
        session = await one.session("ana")
        assert [rep.id for rep in session.reps] == ["ana"]
        left = [line.entry.details for line in await one.lines(session_id) if line.entry.kind.value == "participant_left"]
        assert [(d["participant"]["id"], d["reason"]) for d in left] == [("ben", "rep_removed")]
        one.later(3)
        await one.timers_fire()
        assert [item.message.text for item in await one.begun()] == ["Ben has left the conversation."]  # type: ignore[union-attr]


async def test_the_session_of_the_last_rep_who_is_removed_is_routed_anew(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        del one.raw["orgs"]["acme"]["reps"]["ana"]
        one.raw["orgs"]["acme"]["queues"]["support"]["reps"] = ["ben"]
        await one.restart()
        session = await one.session()
        assert session.status is Status.waiting
        await one.does(AcceptWork(by=Login("ben")), session_id)
        assert await one.rows("SELECT count(*) FROM rep_sessions WHERE login = 'ana' AND counts = 1") == [(0,)]


async def test_invitations_of_and_to_removed_reps_are_withdrawn(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.present("ben")
        await one.does(Invite(by=Login("ana"), recipient=Recipient(type=RecipientType.agent, id="ben")), session_id)
        del one.raw["orgs"]["acme"]["reps"]["ben"]
        one.raw["orgs"]["acme"]["queues"]["support"]["reps"] = ["ana"]
        del one.raw["orgs"]["acme"]["queues"]["billing"]
        await one.restart()
        assert (await one.session("ana")).invitations == ()
        assert (await one.lines(session_id))[-1].entry.kind.value == "invitation_withdrawn"


async def test_no_invitation_stays_open_on_a_channel_that_is_standard_now(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        one.raw["channels"]["line"] = {"kind": "sms", "org": "acme", "queue": "support", "account": _sms_account()}
        await one.restart()
        session_id = await one.conversation()
        await one.present("ben")
        await one.does(Invite(by=Login("ana"), recipient=Recipient(type=RecipientType.agent, id="ben")), session_id)
        one.line["edition"] = "standard"
        await one.restart()
        session = await one.session("ana")
        assert session.invitations == ()
        assert session.status is Status.active
        await one.say(session_id, "alone again")


def _sms_account() -> dict[str, Any]:
    return {"account_sid": f"AC{1:032x}", "auth_tokens": [f"{2:032x}"], "number": "+15550002222"}


# ---------------------------------------------------------------------------------------------- once and again


async def test_a_second_start_with_the_same_config_changes_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path) as one:
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.say(session_id, "waits")
        one.raw["channels"].pop("line")
        del one.raw["orgs"]["acme"]["reps"]["ben"]
        one.raw["orgs"]["acme"]["queues"] = {"help": {"name": "Help", "reps": ["ana"]}}
        await one.restart()
        first = await one.dump("presence")
        await one.restart()
        assert await one.dump("presence") == first


async def changed_everywhere(folder: Path) -> Shop:
    """A data folder with all sorts of sessions, and a config that takes something from each; closed."""
    async with shop(folder, in_files=True) as one:
        one.raw["channels"]["more"] = {"kind": "line", "org": "acme", "queue": "billing", "account": LINE}
        one.raw["channels"]["moves"] = {"kind": "line", "org": "acme", "queue": "support", "account": LINE}
        await one.restart()
        session_id = await one.conversation()
        await one.joined(session_id)
        await one.say(session_id, "waits")
        for channel_id, customer in (("more", "lee"), ("moves", "max"), ("moves", "mia")):
            one.channel_id, one.customer = ChannelId(channel_id), customer
            one.later(1)
            await one.take_in(one.message(f"{customer} is here"))
        one.channel_id, one.customer = ChannelId("line"), "kim"
        del one.raw["channels"]["line"]
        one.raw["channels"]["moves"] |= {"org": "beta", "queue": "all"}
        one.raw["channels"]["more"]["queue"] = "support"
        del one.raw["orgs"]["acme"]["reps"]["ben"]
        one.raw["orgs"]["acme"]["queues"] = {"support": {"name": "Support", "reps": ["ana"]}}
    return one


async def _but_for_order(one: Shop) -> dict[str, list[tuple[Any, ...]]]:
    """The file; desks may be told of different sessions in another order."""
    found = await one.dump()
    return found | {"events": sorted((row[1:] for row in found["events"]), key=repr)}


class Cut(OSError):
    """The process dies here."""


async def test_a_start_that_is_cut_off_anywhere_is_made_again(tmp_path: Path) -> None:
    before = await changed_everywhere(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    whole = Shop(tmp_path / "whole", raw=before.raw, now=before.now, in_files=True)
    await whole.broker.open()
    expected = await _but_for_order(whole)
    await whole.broker.close()
    assert len(expected["entries"]) > 10
    for cut_at in range(1, 200):
        folder = tmp_path / str(cut_at)
        shutil.copytree(tmp_path / "before", folder)
        points = 0

        def fault(_: str, cut_at: int = cut_at) -> None:
            nonlocal points
            points += 1
            if points == cut_at:
                raise Cut

        one = Shop(folder, raw=before.raw, now=before.now, in_files=True, fault=fault)
        try:
            await one.broker.open()
        except (Cut, BrokerUnavailable):
            await one.restart()
        else:
            assert points < cut_at, "a fault at the start must not be passed over"
            await one.broker.close()
            break
        assert await _but_for_order(one) == expected, cut_at
        await one.broker.close()
        shutil.rmtree(folder)
    assert cut_at > 20, "every point was walked through"
