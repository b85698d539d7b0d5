"""What a wheel must carry: every file that the code reads at run time is matched by the packaging's patterns, and the gRPC stubs are made."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
# For those who write adapters, and for the check of the scripts.
NOT_READ = {"adapters/README.md", "gateway/pages/api.d.ts", "gateway/pages/types.d.ts", "gateway/webchat/widget/types.d.ts"}
STUBS = [f"gateway/brokers/salesforce/pubsub_pb2{kind}" for kind in (".py", "_grpc.py")]


def files() -> list[Path]:
    """All files of the packages but code and what Python leaves behind."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    listed = subprocess.run(["git", "ls-files", "adapters", "gateway"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in listed.stdout.splitlines() if not line.endswith(".py") and (ROOT / line).exists()]


def test_every_file_of_a_package_is_in_the_wheel() -> None:
    patterns = SETUP["package-data"]["*"]
    found = files()
    assert len(found) > 20
    left_out = [str(f) for f in found if not any(_carried(f, pattern) for pattern in patterns)]
    assert set(left_out) - NOT_READ == set()


def _carried(file: Path, pattern: str) -> bool:
    """A pattern without a folder is for each package's own files; every folder below counts as a package."""
    return fnmatch.fnmatch(file.name, pattern) or fnmatch.fnmatch(str(file), f"*/{pattern}")


def test_the_configs_are_in_the_wheel() -> None:
    carried = [name for names in SETUP["data-files"].values() for name in names]
    assert sorted(carried) == sorted(f"config/{path.name}" for path in (ROOT / "config").glob("*.yaml"))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The project without what git doesn't keep, as after a clone."""
    made = tmp_path / "sources"
    for name in ("adapters", "gateway", "config"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__", "*_pb2*"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, made)
    return made


def build(what: str, sources: Path, out: Path, **environment: str) -> Path:
    """As pip asks setuptools for it, with the packages that are installed here."""
    out.mkdir(exist_ok=True)
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{what}(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(out)]
    built = subprocess.run(command, cwd=sources, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out / built.stdout.split()[-1]


def use_stubs(place: Path) -> None:
    """In a process of its own, without the ones of this checkout."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from gateway.brokers.salesforce import pubsub_pb2_grpc as g; print(g.__file__)"
    used = subprocess.run([sys.executable, "-c", code, str(place)], cwd=place.parent, capture_output=True, text=True, check=False)
    assert used.stdout.startswith(str(place)), used.stderr


def test_the_stubs_are_in_a_wheel_made_of_an_sdist(sources: Path, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", sources, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel = build("wheel", unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in STUBS if name not in names] == []
    use_stubs(wheel)


def test_an_editable_install_makes_the_stubs_in_the_sources(sources: Path, tmp_path: Path) -> None:
    build("editable", sources, tmp_path / "wheel")
    assert [name for name in STUBS if not (sources / name).exists()] == []
    use_stubs(sources)


def test_without_the_compiler_the_package_is_built_without_stubs(sources: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "grpc_tools.py").write_text("raise ImportError\n")
    wheel = build("wheel", sources, tmp_path / "wheel", PYTHONPATH=str(hidden))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "gateway/brokers/salesforce/pubsub.proto" in names
    assert [name for name in STUBS if name in names] == []
