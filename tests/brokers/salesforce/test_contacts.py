"""Whom a rep can name in Salesforce's lists: our destination list, in the toolkit's shapes, and nobody from outside."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.brokers.contract import Contact
from gateway.brokers.salesforce.contacts import Wanted, contacts_of
from gateway.edge.api.connector import contact_of
from gateway.session.decision import Refusal
from gateway.session.model import Login, Presence, RecipientType
from tests.brokers.salesforce.partner_play import ORG, SUPPORT, USERS, PartnerPlay
from tests.session.world import rep

TYPES = (RecipientType.agent, RecipientType.queue, RecipientType.flow)
ANA = Login("ana")


def listed(play: PartnerPlay, *, by: Login = ANA, **wanted: Any) -> list[Contact]:
    found = contacts_of(play.around, by, Wanted(**{"types": TYPES, **wanted}), lambda queue: 90 if queue == "support" else 0)
    assert not isinstance(found, Refusal), found
    for one in found:
        as_the_toolkit_judges(contact_of(one).model_dump(mode="json", by_alias=True))
    return found


def names(play: PartnerPlay, **wanted: Any) -> list[str]:
    return [one.name for one in listed(play, **wanted)]


def as_the_toolkit_judges(contact: dict[str, Any]) -> None:
    """The checks of the toolkit's `Contact` (github.com/salesforce/scv-connector-base, types.js), and what this list promises."""
    members = {"id", "type", "name", "listType", "availability", "recordId", "description", "queueWaitTime"}
    assert contact.keys() == members
    assert contact["type"] in ("Agent", "Queue", "Flow")  # the toolkit knows PhoneBook and PhoneNumber, too
    assert contact["listType"] in ("Transfer", "Conference", "All")
    assert contact["availability"] in (("AVAILABLE", "BUSY", "OFFLINE") if contact["type"] == "Agent" else (None,))
    assert all(isinstance(contact[name], str) for name in ("id", "name", "recordId", "description"))
    assert contact["queueWaitTime"] is None or isinstance(contact["queueWaitTime"], str), "a number makes it throw"
    assert contact["recordId"][:3] == {"Agent": "005", "Queue": "00G", "Flow": "300"}[contact["type"]]


@pytest.fixture
def play() -> PartnerPlay:
    """Ana is in a session."""
    play = PartnerPlay()
    play.come_in("ana")
    return play


def test_by_type_and_name_without_who_asks_and_who_is_in(play: PartnerPlay) -> None:
    assert names(play) == ["Ben", "Cleo", "Dora", "Billing", "Support", "Escalate"]
    play.come_in("cleo")
    assert names(play, types=[RecipientType.agent]) == ["Ben", "Dora"]


def test_as_the_toolkit_has_them(play: PartnerPlay) -> None:
    play.world.other_load = {"cleo": 5}
    ben, cleo, _, _, support, _ = (contact_of(one).model_dump(mode="json", by_alias=True) for one in listed(play))
    assert ben == {
        "id": USERS["ben"],
        "type": "Agent",
        "name": "Ben",
        "listType": "All",
        "availability": "AVAILABLE",
        "recordId": USERS["ben"],
        "description": "0 of 5 conversations",
        "queueWaitTime": None,
    }
    assert (cleo["availability"], cleo["description"]) == ("BUSY", "5 of 5 conversations")
    assert support["recordId"] == SUPPORT
    assert (support["availability"], support["queueWaitTime"], support["description"]) == (None, "90", "1 available")


def test_who_is_not_online_or_lacks_a_right_is_not_listed(play: PartnerPlay) -> None:
    play.world.go(Presence.away, "ben")
    play.world.set_rep("cleo", permissions=frozenset())
    assert names(play, types=[RecipientType.agent]) == ["Dora"]


def test_who_has_no_record_in_salesforce_is_not_listed(play: PartnerPlay) -> None:
    play.world.people["eve"] = rep("eve")
    play.world.go(Presence.online, "eve")
    assert "Eve" not in names(play)
    assert "Sam" not in names(play)
    assert "Robo" not in names(play)


def test_who_is_free(play: PartnerPlay) -> None:
    play.world.other_load = {"cleo": 5}
    assert names(play, types=[RecipientType.agent], free=True) == ["Ben", "Dora"]


def test_a_full_session_can_be_transferred_only(play: PartnerPlay) -> None:
    play.world.set(conference_limit=1)
    assert {contact_of(one).list_type for one in listed(play)} == {"Transfer"}


def test_a_channel_without_conferencing_has_transfers_only(play: PartnerPlay) -> None:
    play.world.set_channel(edition="standard")
    assert {contact_of(one).list_type for one in listed(play)} == {"Transfer"}


def test_without_the_right_to_run_flows_there_are_none(play: PartnerPlay) -> None:
    permissions = play.world.people["ana"].permissions
    play.world.set_rep("ana", permissions=permissions - {"run_flows"})
    assert names(play, types=[RecipientType.flow]) == []


def test_search_and_pages(play: PartnerPlay) -> None:
    assert names(play, q="supp") == ["Support"]
    for number in range(120):
        login = f"u{number:03}"
        play.world.people[login] = rep(login, f"Zoe {number:03}")
        play.world.go(Presence.online, login)
    users = {Login(f"u{number:03}"): f"005000000001{number:03}AAA" for number in range(120)}
    many = ORG.model_copy(update={"reps": {**ORG.reps, **users}})
    around = play.around._replace(org=many)
    pages = [contacts_of(around, ANA, Wanted(TYPES, "zoe", offset=offset), lambda _: 0) for offset in (0, 50, 100, 150)]
    assert [len(page) for page in pages if not isinstance(page, Refusal)] == [50, 50, 20, 0]
    assert len({one.record for page in pages if not isinstance(page, Refusal) for one in page}) == 120


def test_whoever_is_not_in_the_session_is_shown_nobody(play: PartnerPlay) -> None:
    refused = contacts_of(play.around, Login("ben"), Wanted(TYPES), lambda _: 0)
    assert isinstance(refused, Refusal)
    assert refused.code == "not_a_participant"
