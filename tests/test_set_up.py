"""What a fresh machine installs is what the lock files name; `run.py test` spreads many tests over the cores."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import run

PROJECT = tomllib.loads((run.HERE / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    run.LOCK: [*PROJECT["dependencies"], *EXTRAS["build"]],
    run.FULL_LOCK: [
        *PROJECT["dependencies"],
        *EXTRAS["build"],
        *EXTRAS["stubs"],
        *chain.from_iterable(EXTRAS[extra] for extra in run.EXTRAS),
    ],
    run.DEV_LOCK: [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())],
}
Pins = dict[str, dict[str, Version]]


def pins(lock: Path) -> Pins:
    """By package: the versions by their markers (a package may have one for each range of Pythons)."""
    found: Pins = {}
    for line in re.findall(r"(?m)^([a-z0-9].*) \\$", lock.read_text()):
        requirement = Requirement(line)
        (exactly,) = requirement.specifier
        assert exactly.operator == "=="
        found.setdefault(canonicalize_name(requirement.name), {})[str(requirement.marker or "")] = Version(exactly.version)
    return found


def here(versions: dict[str, Version]) -> list[Version]:
    """Those that are for this machine."""
    return [version for marker, version in versions.items() if not marker or Marker(marker).evaluate()]


@pytest.mark.parametrize("lock", WANTED, ids=lambda lock: lock.name)
def test_the_lock_satisfies_the_project(lock: Path) -> None:
    """When it fails after a change in pyproject.toml: `python3 run.py lock`."""
    locked = pins(lock)
    for requirement in map(Requirement, WANTED[lock]):
        versions = locked[canonicalize_name(requirement.name)].values()
        assert all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize("lock", WANTED, ids=lambda lock: lock.name)
def test_the_lock_is_complete_with_all_that_its_packages_need(lock: Path) -> None:
    """As far as this machine's platform goes: the needs are read from the packages that are installed here."""
    locked = pins(lock)
    asked: dict[str, set[str]] = {canonicalize_name(r.name): r.extras for r in map(Requirement, WANTED[lock])}
    for name in [name for name, versions in locked.items() if here(versions)]:
        for line in metadata.requires(name) or []:
            need = Requirement(line)
            extras = ("", *asked.get(name, set()))
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                (version,) = here(locked[canonicalize_name(need.name)])
                assert need.specifier.contains(version), f"{name} needs {need}"


def test_all_locks_name_the_same_versions() -> None:
    for_all, with_extras, for_development = map(pins, run.LOCKS.values())
    assert {name: with_extras[name] for name in for_all} == for_all
    assert {name: for_development[name] for name in with_extras} == with_extras


def test_every_extra_for_users_is_in_the_full_set_alone() -> None:
    assert {*run.EXTRAS, "build", "stubs", "dev"} == EXTRAS.keys()
    of_extras = {canonicalize_name(Requirement(line).name) for extra in run.EXTRAS for line in EXTRAS[extra]}
    assert of_extras <= pins(run.FULL_LOCK).keys()
    assert not {*of_extras, "grpcio-tools", "psycopg-binary"} & pins(run.LOCK).keys()


@pytest.mark.parametrize(
    ("arguments", "config", "wanted"),
    [
        (["demo"], "", False),
        (["demo", "--broker", "salesforce"], "", True),
        (["demo", "--broker=salesforce"], "", True),
        (["demo", "--store", "postgresql"], "", True),
        (["demo", "--store=postgresql"], "", True),
        (["demo", "--store", "sqlite"], "", False),
        (["simulate", "salesforce"], "", True),
        (["store", "copy", "--to", "postgresql://byoc:x@db/byoc?sslmode=require"], "", True),
        (["store", "copy", "--to=postgres://db/byoc?sslmode=require"], "", True),
        (["serve", "--config", "CONFIG"], "channels: {}\n# salesforce:\n", False),
        (["serve", "--config", "CONFIG"], "salesforce: {}\nchannels: {}\n", False),
        (["serve", "--config", "CONFIG"], "channels:\n  sms:\n    salesforce: null\n", False),
        (["serve", "--config", "CONFIG"], "channels: {}\nsalesforce:\n  main:\n    org_id: x\n", True),
        (["serve", "--config=CONFIG"], "salesforce: {main: {}}\n", True),
        (["serve"], "salesforce: {main: {}}\n", True),
        (["serve"], "store: postgresql://byoc:${DB_PASSWORD}@db/byoc\n", True),
        (["serve"], "store: ${DATABASE_URL}\n", True),
        (["serve"], "store:\n  postgresql://db/byoc\n", True),
        (["serve"], 'inbox: "nats://nats:4222"\n', True),
        (["serve"], "media: s3://files\n", True),
        (["serve"], "stores:\n  acme: postgresql://db/acme\n", True),
        (["serve"], "store: null\ninbox: null # none\nmedia: ~\nstores: {}\nsalesforce: {}\n", False),
        (["serve"], "store:\nchannels: {}\nmedia: # none\nmedia_secret: abc\n", False),
        (["serve"], "#store: postgresql://db/byoc\n", False),
        (["serve"], "channels:\n  sms:\n    store: yes\n", False),
        (["serve", "--config", "missing.yaml"], "", False),
    ],
)
def test_extras_are_for_who_asks_for_them(
    arguments: list[str], config: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(config)
    if not any("CONFIG" in argument for argument in arguments):
        monkeypatch.setenv("BYOC_CONFIG", str(path))
    assert run.asks_for_extras([argument.replace("CONFIG", str(path)) for argument in arguments]) is wanted


def test_neither_config_of_this_project_asks_for_extras() -> None:
    """Who tries the demo, or begins with the example, needs nothing more."""
    configs = sorted((run.HERE / "config").glob("*.yaml"))
    assert [path.name for path in configs if run.asks_for_extras(["serve", "--config", str(path)])] == []


@pytest.mark.parametrize("lock", WANTED, ids=lambda lock: lock.name)
def test_every_version_has_hashes_and_no_registry_is_named(lock: Path) -> None:
    blocks = re.split(r"(?m)^(?=[a-z0-9])", lock.read_text())[1:]
    assert len(blocks) > 20
    assert [block.split()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}$", block.strip())] == []
    assert "://" not in lock.read_text()
    assert set(re.findall(r"(?m)^ *(--[a-z-]+)", lock.read_text())) == {"--hash"}


@pytest.mark.parametrize("name", ["aiohttp", "cffi", "cryptography", "pydantic-core", "regex", "uvloop", "yarl"])
def test_compiled_packages_have_the_hashes_of_many_platforms(name: str) -> None:
    """A lock that was made from what one machine may install has a few hashes for each; a package index has them by dozens."""
    (block,) = (b for b in re.split(r"(?m)^(?=[a-z0-9])", run.LOCK.read_text()) if b.startswith(f"{name}=="))
    assert block.count("--hash") >= 30


def test_the_image_installs_by_the_lock() -> None:
    text = (run.HERE / "Dockerfile").read_text()
    assert "--require-hashes -r ${LOCK}" in text
    assert "\nARG LOCK=requirements.lock\n" in text
    assert "COPY " + " ".join(lock.name for lock in (run.LOCK, run.FULL_LOCK)) + " ./" in text
    assert [line for line in text.splitlines() if line.startswith("FROM ") and "${PYTHON_IMAGE}" not in line] == []


@pytest.mark.parametrize(
    ("arguments", "many"),
    [
        ([], True),
        (["--slow"], True),
        (["pure"], True),
        (["rooms", "whole", "-x"], True),
        (["tests/session", "tests/store"], True),
        (["tests/test_set_up.py", "tests/test_imports.py"], True),
        (["tests/test_set_up.py"], False),
        (["tests/test_set_up.py::test_the_image_installs_by_the_lock"], False),
        (["-n", "99"], False),
        (["-p", "no:xdist"], False),
        (["--pdb"], False),
        (["--collect-only"], False),
    ],
)
def test_many_files_are_tested_on_all_cores_and_one_in_one_process(arguments: list[str], many: bool) -> None:
    (command,) = run.tools(arguments)["test"]
    assert command[0] == "pytest"
    rest = [part for argument in arguments for part in run.folders(argument)]
    assert command[len(command) - len(rest) :] == rest
    assert (command[1:3] == ["-n", str(run.workers())]) is many


def test_each_test_is_in_one_tier() -> None:
    tests = sorted(path.relative_to(run.HERE) for path in (run.HERE / "tests").rglob("test_*.py"))
    places = [Path(place) for tier in run.TIERS for place in run.folders(tier)]
    assert [str(test) for test in tests if sum(test.is_relative_to(place) for place in places) != 1] == []
