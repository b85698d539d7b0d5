"""The kit catches the slips that people make in an adapter, by the check that is there for them."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adapters.conformance import WITH_SIMULATOR, Check, Suite, told
from adapters.contract import RawRequest
from adapters.signing import hmac_hex
from gateway.new_channel.samples import fixtures
from gateway.new_channel.template import ADAPTER, ExampleAccount
from tests.adapters.open.suite import SUITE as OPEN
from tests.adapters.whatsapp.suite import SUITE as WHATSAPP
from tests.kit.slips import NOT_CAUGHT, SLIPS, Slip

SETTINGS = {
    "channel_id": "example",
    "webhook_url": "https://gw.example.test/webhooks/example",
    "secrets": ["a-secret-for-tests"],
    "token": "a-token-for-tests",
    "api_base": "https://api.example.test",
}


def sign(request: RawRequest, account: ExampleAccount) -> RawRequest:
    """As the template's provider signs."""
    proof = {"x-example-signature": hmac_hex(account.secrets[0].get_secret_value(), request.body)}
    return replace(request, headers={**request.headers, **proof})


@dataclass(frozen=True)
class Sound:
    """A sound channel: its package, and its suite."""

    package: str
    suite: Suite


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sound]:
    """The channels that slips are made in."""
    folder = tmp_path_factory.mktemp("fixtures")
    for name, content in fixtures("example", "Example").items():
        (folder / name).write_bytes(content)
    return {
        "template": Sound(
            "gateway.new_channel.template",
            Suite(ADAPTER, ExampleAccount.model_validate(SETTINGS), folder, sign, ("x-example-signature",)),
        ),
        "open": Sound("adapters.open", OPEN),
        "whatsapp": Sound("adapters.whatsapp", WHATSAPP),
    }


@pytest.fixture
def slipped(request: pytest.FixtureRequest, sound: dict[str, Sound], tmp_path: Path) -> Iterator[Suite]:
    """The suite of a copy of the channel with the slip in it."""
    slip: Slip = request.param
    whole = sound[slip.channel]
    package = f"slipped_{slip.name}"
    _copy(whole.package, package, slip, tmp_path)
    sys.path.insert(0, str(tmp_path))
    try:
        suite = _suite(importlib.import_module(package), whole.suite)
        yield _dumped(suite, tmp_path / "fixtures") if slip.dumped else suite
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


def _copy(source: str, package: str, slip: Slip, folder: Path) -> None:
    found = importlib.import_module(source)
    root = Path(str(found.__file__)).parent
    for path in root.rglob("*.py"):
        text = path.read_text("utf-8")
        if path == root / f"{slip.file}.py":
            assert text.count(slip.old) == 1, f"{slip.name}: {slip.old!r} stands {text.count(slip.old)} times in {path.name}"
            text = text.replace(slip.old, slip.new)
        copy = folder / package / path.relative_to(root)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(text.replace(source, package), "utf-8")


def _suite(module: ModuleType, suite: Suite) -> Suite:
    ours = isinstance(suite.account, ExampleAccount)
    account = module.ADAPTER.account.model_validate(SETTINGS) if ours else suite.account
    return replace(suite, adapter=module.ADAPTER, account=account)


def _dumped(suite: Suite, folder: Path) -> Suite:
    """With an expected.json of each fixture that says what the adapter gives."""
    shutil.copytree(suite.fixtures, folder)
    for case in suite.events:
        expected: list[Any] = [told(one) for one in suite.adapter.parse(case.request, suite.account)]
        (folder / f"{case.name}.expected.json").write_text(json.dumps(expected), "utf-8")
    return replace(suite, fixtures=folder)


def fails(check: Check) -> bool:
    """Whether the author's own tests fail by it, with whatever error."""
    try:
        check.run()
    except Exception:
        return True
    return False


@pytest.mark.parametrize("slipped", [slip for slip in SLIPS if slip.caught_by], ids=str, indirect=True)
def test_the_slip_is_caught(slipped: Suite, request: pytest.FixtureRequest) -> None:
    by = next(slip.caught_by for slip in SLIPS if f"[{slip}]" in request.node.name)
    run = [check for check in slipped.checks() if check.name.partition("[")[0] == by]
    assert run, f"there is no check {by}"
    assert any(fails(check) for check in run), f"{by} lets it pass"


@pytest.mark.parametrize("slipped", NOT_CAUGHT, ids=str, indirect=True)
def test_what_no_check_can_catch_is_known(slipped: Suite) -> None:
    for check in slipped.checks():
        check.run()


@pytest.mark.parametrize("channel", ["template", "open", "whatsapp"])
def test_without_a_slip_all_checks_pass(channel: str, sound: dict[str, Sound]) -> None:
    for check in sound[channel].suite.checks():
        check.run()


def test_each_check_of_what_is_said_and_shown_catches_some_slip() -> None:
    """The others have faulty channels of their own, in tests/adapters/test_conformance_kit.py."""
    assert WITH_SIMULATOR - {slip.caught_by for slip in SLIPS} == {
        "redelivery_is_the_same_event",
        "simulator_refuses_bad_credentials",
    }


def test_of_all_slips_two_are_not_caught() -> None:
    assert len(SLIPS) >= 30
    assert len(SLIPS) - len(NOT_CAUGHT) >= 28
    assert all(slip.why for slip in NOT_CAUGHT)
    assert len({slip.name for slip in SLIPS}) == len(SLIPS)
