"""The pages' scripts are checked, and whoever can't check them is told what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).resolve().parent.parent
FAULTS = {
    "a misspelled member": 'import { Desk } from "./state.js";\nnew Desk({ api: null, me: null }).sesions.clear();\n',
    "a member of a text": 'import { countdown } from "../kit/format.js";\ncountdown(1).lenght.toFixed();\n',
    "an import of nothing": 'import { nothing } from "./reading.js";\nnothing();\n',
    "a name that is never used": 'import { later } from "./reading.js";\n',
}


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node") or shutil.which("nodejs")
    if not os.environ.get("CI") and not (node and run.TYPESCRIPT.exists()):
        pytest.skip("the check of the scripts needs Node.js and TypeScript (`npm install --no-save axe-core@4 typescript@5`)")
    command = [str(node), str(run.TYPESCRIPT), "--project", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_scripts_are_sound() -> None:
    found = checked(ROOT)
    assert (found.returncode, found.stdout) == (0, "")


def test_a_fault_in_a_script_is_found(tmp_path: Path) -> None:
    for room in ("gateway/pages", "gateway/webchat"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tsconfig.json", tmp_path)
    files = {f"fault{number}.js": text for number, text in enumerate(FAULTS.values())}
    for name, text in files.items():
        (tmp_path / "gateway/pages/static/desk" / name).write_text(text)
    found = checked(tmp_path)
    assert found.returncode != 0
    assert sorted({line.partition("(")[0].rpartition("/")[2] for line in found.stdout.splitlines()}) == sorted(files)


@pytest.mark.parametrize(("ci", "outcome"), [("", 0), ("true", 1)])
def test_without_node_the_check_says_so_in_one_line(
    ci: str, outcome: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    assert run.check_scripts() == outcome
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("The pages' scripts were not checked: install ")
