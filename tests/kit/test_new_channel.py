"""`byoc new-channel`: what it writes is a channel that works, is found when it is installed, and passes its own tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gateway.new_channel import BadName, write
from gateway.new_channel.template import ADAPTER
from gateway.new_channel.writing import Names
from tests.kit.installing import MYPY_CACHE, byoc, install, run


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder that was written, and the one that it is installed in."""
    place = tmp_path_factory.mktemp("tin-can")
    said = byoc("new-channel", "tin-can", cwd=place)
    assert "byoc-tin-can" in said
    return place / "byoc-tin-can", install(place / "byoc-tin-can", place / "site", place / "copy")


def test_its_own_tests_pass(installed: tuple[Path, Path]) -> None:
    folder, target = installed
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", target=target, cwd=folder)
    assert " passed" in said
    assert "failed" not in said


def test_the_gateway_finds_it(installed: tuple[Path, Path]) -> None:
    _, target = installed
    assert "tin-can: Tin can" in byoc("channels", target=target)
    listed = json.loads(byoc("channels", "--json", target=target))
    assert listed["tin-can"]["title"] == "Tin can"
    assert set(listed["tin-can"]["settings"]["properties"]) >= {"secrets", "token", "api_base"}


def test_its_suite_is_found_and_gives_it_a_grade(installed: tuple[Path, Path]) -> None:
    """Installed in its own folder, as by `pip install -e .`: the fixtures are there."""
    folder, target = installed
    report = json.loads(byoc("channels", "--grade", "--json", target=Path(f"{folder}:{target}")))["tin-can"]
    assert report["grade"] == "bronze"
    elsewhere = json.loads(byoc("channels", "--grade", "--json", target=target))["tin-can"]
    assert elsewhere["grade"] is None, "installed without the fixtures"


def test_it_passes_strict_typing(installed: tuple[Path, Path]) -> None:
    folder, target = installed
    command = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(MYPY_CACHE), "byoc_tin_can")
    assert "Success" in run(*command, target=target, cwd=folder)


def test_no_name_of_the_template_is_left(tmp_path: Path) -> None:
    root, written = write("tin-can", tmp_path / "made")
    left = {
        str(path.relative_to(root)): line
        for path in written
        for line in path.read_text("utf-8").splitlines()
        if ("xample" in line and ".example." not in line and "api.example.com" not in line) or "gateway.new_channel" in line
    }
    assert left == {}


@pytest.mark.parametrize("name", ["", "9lives", "tin can", "../etc", "tin-", "Tin/Can", "für", "a" * 41])
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadName, match="letters and digits"):
        write(name, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(BadName, match="there is already a channel 'line'"):
        write("line", tmp_path / "x")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "not empty" in byoc("new-channel", "tin-can", "--folder", str(tmp_path), good=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_forms_of_a_name() -> None:
    names = Names.of("Tin_Can")
    assert (names.kind, names.package, names.title, names.classes) == ("tin-can", "byoc_tin_can", "Tin can", "TinCan")


def test_the_template_is_an_adapter_like_any_other() -> None:
    assert ADAPTER.account.model_validate(ADAPTER.demo("x", "http://127.0.0.1:1/sim/x", "http://127.0.0.1:1/webhooks/x"))
