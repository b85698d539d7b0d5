"""The pages' scripts are linted and their types checked, and whoever can't check them is told what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import run
from tests.scripts.node import ROOT, run_node

FAULTS = {
    "a misspelled member": 'import { Desk } from "./state.js";\nnew Desk({ api: null, me: null }).sesions.clear();\n',
    "a member of a text": 'import { countdown } from "../kit/format.js";\ncountdown(1).lenght.toFixed();\n',
    "an import of nothing": 'import { nothing } from "./reading.js";\nnothing();\n',
    "a name that is never used": 'import { later } from "./reading.js";\n',
}


@pytest.mark.parametrize("what", run.SCRIPTS)
def test_the_scripts_are_sound(what: str) -> None:
    tool, *options = run.SCRIPTS[what]
    found = run_node(tool, *options, needs=tool)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_fault_in_a_script_is_found(tmp_path: Path) -> None:
    for folder in ("gateway/pages", "gateway/webchat"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(ROOT / "tsconfig.json", tmp_path)
    files = {f"fault{number}.js": text for number, text in enumerate(FAULTS.values())}
    for name, text in files.items():
        (tmp_path / "gateway/pages/static/desk" / name).write_text(text)
    tool = run.SCRIPTS["types"][0]
    found = run_node(tool, "--project", str(tmp_path), needs=tool)
    assert found.returncode != 0
    assert sorted({line.partition("(")[0].rpartition("/")[2] for line in found.stdout.splitlines()}) == sorted(files)


@pytest.mark.parametrize("what", run.SCRIPTS)
@pytest.mark.parametrize(("ci", "outcome"), [("", 0), ("true", 1)])
def test_without_node_the_checks_say_so_in_one_line(
    what: str, ci: str, outcome: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    assert run.check_scripts(what) == outcome
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The pages' scripts were not checked ({what}): install ")


def test_no_line_of_a_script_or_style_is_longer_than_120() -> None:
    """The formatter breaks what it can; what it can't (a long text, a style sheet) is broken by hand."""
    files = [file for folder in ("gateway", "tests") for kind in ("js", "css") for file in (ROOT / folder).rglob(f"*.{kind}")]
    assert len(files) > 50
    long = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []
