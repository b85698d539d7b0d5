"""Every simulator keeps `act`'s promise: what can't be raises CannotAct, and then nothing has changed.

Nothing means nothing that anybody could see later: the handset, the calls that come next and their ids. The host keeps only the
inputs that were taken, so a refused one that used up a number would make a restarted provider another one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from adapters import registry
from adapters.contract import Answer
from adapters.simulation import Action, CannotAct, SimFile, Simulator

NOW: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NAN: Final = float("nan")
KINDS: Final = tuple(registry.load())

# What stands in the details of any action, on every channel.
COUNTS: Final[tuple[Any, ...]] = ("many", -1, 0, True, 10**9, 1.5, None, [], {})
SECONDS: Final[tuple[Any, ...]] = ("soon", -1, True, 10**12, NAN, float("inf"), None, [], {})
MISCHIEF: Final[tuple[Any, ...]] = (
    "many",
    {"status": 503},
    [503],
    [{}],
    [{"nonsense": 1}],
    [{"status": "many"}],
    [{"status": -1}],
    [{"status": True}],
    [{"status": 503, "retry_after": "many"}],
    [{"status": 503, "retry_after": -1}],
    [{"status": 503, "taken": "perhaps"}],
    [{"status": 503}, {"nonsense": 1}],
)
EVERYWHERE: Final[list[tuple[str, Any]]] = [
    *[("times", value) for value in COUNTS],
    *[("delay_seconds", value) for value in SECONDS],
    *[("again_after_seconds", value) for value in SECONDS],
    *[("mischief", value) for value in MISCHIEF],
]
# What single channels take besides, and what of it can't be; with the words of a `say` that it rides on.
META: Final[list[tuple[str, Any]]] = [("batch", value) for value in COUNTS]
LATE: Final[list[tuple[str, Any]]] = [
    ("mischief", [{"error": "many"}]),
    ("mischief", [{"times": 0}]),
    ("mischief", [{"times": 10**9}]),
]
GRAPH: Final[list[tuple[str, Any]]] = [*LATE, ("mischief", [{"code": "many"}]), ("mischief", [{"code": 100, "subcode": "many"}])]
TWILIO: Final[list[tuple[str, Any]]] = [
    *LATE,
    *[("again_seconds", value) for value in SECONDS],
    *[("late", value) for value in ("many", -1, True)],
    *[("token", value) for value in ("many", -1, 7)],
    ("extra", "many"),
    ("unordered", "many"),
]
OF_A_CHANNEL: Final[dict[str, list[tuple[str, Any]]]] = {
    "whatsapp": [*META, *GRAPH, ("owner", "nobody"), ("owner", []), ("event", "nonsense"), ("order", 5), ("order", {})],
    "messenger": [*META, *GRAPH, ("owner", "nobody"), ("owner", []), ("asks", "nobody"), ("products", 5), ("products", [{}])],
    "instagram": [*META, *GRAPH, ("owner", "nobody"), ("owner", []), ("asks", "nobody"), ("products", 5), ("products", [{}])],
    "line": [("owner", "nobody"), ("owner", []), ("together_with", 5), ("together_with", [5])],
    "sms": TWILIO,
    "whatsapp-twilio": TWILIO,
    "apple": [("redeliver", value) for value in ("many", -1, True, 10**9)],
}
PICTURE: Final = SimFile(name="dot.png", mime_type="image/png", content=b"\x89PNG dot")
# Whole actions that can't be on any channel: what they are about isn't there, or isn't what it must be.
ACTIONS: Final = [
    {"kind": "say"},
    {"kind": "say", "text": ""},
    {"kind": "react", "target": "nowhere", "text": "👍"},
    {"kind": "edit", "target": "nowhere", "text": "better"},
    {"kind": "unsend", "target": "nowhere"},
    {"kind": "choose"},
    {"kind": "location"},
    {"kind": "location", "details": {"latitude": "north", "longitude": []}},
    {"kind": "location", "details": {"latitude": NAN, "longitude": 3}},
    {"kind": "location", "details": {"latitude": True, "longitude": 3}},
]
OF_A_CHANNEL_ACTIONS: Final[dict[str, list[dict[str, Any]]]] = {
    "whatsapp": [
        {"kind": "choose", "text": "Yes", "details": {"form": "nonsense"}},
        {"kind": "choose", "text": "Yes", "details": {"form": []}},
        {"kind": "choose", "text": "Yes", "details": {"form": "flow", "fields": 5}},
        {"kind": "choose", "text": "Yes", "details": {"form": "call_permission", "id": "perhaps"}},
        {"kind": "say", "details": {"event": "changed_number", "number": "nonsense"}},
        {"kind": "say", "details": {"staff": True}},
    ],
    "messenger": [
        {"kind": "choose", "text": "Yes", "details": {"form": "nonsense"}},
        {"kind": "sticker", "details": {"sticker_id": "many"}},
        {"kind": "say", "details": {"staff": True}},
    ],
    "line": [
        {"kind": "say", "text": "see", "target": "nowhere"},
        {"kind": "say", "file": PICTURE, "text": "see", "target": "nowhere"},
        {"kind": "say", "file": PICTURE, "details": {"prepare_seconds": "soon"}},
        {"kind": "say", "file": PICTURE.model_copy(update={"mime_type": "video/mp4"}), "details": {"duration_ms": "long"}},
    ],
    "sms": [{"kind": "sticker"}],
    "apple": [{"kind": "react", "target": None, "text": "👍"}, {"kind": "block"}],
}


def simulated(kind: str) -> Simulator:
    """A provider with whom kim has begun to talk."""
    adapter = registry.load()[kind]
    settings = adapter.demo("here", "http://127.0.0.1:8080/sim/here", "http://127.0.0.1:8080/webhooks/here")
    account = adapter.account.model_validate(settings)
    account = account.model_copy(update={"channel_id": "here", "webhook_url": "http://127.0.0.1:8080/webhooks/here"})
    simulator: Simulator = adapter.simulate(account)
    for call in simulator.act(Action(kind="say", customer="kim", text="hello"), NOW).calls:
        simulator.settled(call, Answer(200), NOW)
    return simulator


def refused(kind: str, action: Action) -> None:
    """The action is refused, and leaves no trace in what kim sees, or in what comes of anything done later."""
    tried, untouched = simulated(kind), simulated(kind)
    with pytest.raises(CannotAct):
        tried.act(action, NOW)
    with pytest.raises(CannotAct):
        tried.act(action.model_copy(update={"customer": "leo"}), NOW)
    for customer in ("kim", "leo"):
        assert tried.handset(customer) == untouched.handset(customer)
    for customer, file in (("kim", None), ("leo", PICTURE)):
        next_one = Action(kind="say", customer=customer, text="later", file=file)
        assert tried.act(next_one, NOW) == untouched.act(next_one, NOW)
        assert tried.handset(customer) == untouched.handset(customer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("wish", "value"), EVERYWHERE, ids=str)
def test_a_wish_that_no_channel_can_fulfil_is_refused(kind: str, wish: str, value: Any) -> None:
    for rest in ({"text": "again"}, {"text": "look", "file": PICTURE}):
        refused(kind, Action(kind="say", customer="kim", details={wish: value}, **rest))


@pytest.mark.parametrize(
    ("kind", "wish", "value"), [(kind, *wish) for kind, wishes in OF_A_CHANNEL.items() for wish in wishes], ids=str
)
def test_a_wish_that_this_channel_cannot_fulfil_is_refused(kind: str, wish: str, value: Any) -> None:
    refused(kind, Action(kind="say", customer="kim", text="again", details={wish: value}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", ACTIONS, ids=str)
def test_an_action_about_nothing_is_refused(kind: str, fields: dict[str, Any]) -> None:
    refused(kind, Action(customer="kim", **fields))


@pytest.mark.parametrize(
    ("kind", "fields"), [(kind, one) for kind, actions in OF_A_CHANNEL_ACTIONS.items() for one in actions], ids=str
)
def test_an_action_that_this_channel_cannot_do_is_refused(kind: str, fields: dict[str, Any]) -> None:
    refused(kind, Action(customer="kim", **fields))
