"""The pages' scripts are linted and their types checked, and whoever can't check them is told what is missing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import run
from tests.scripts import api_types
from tests.scripts.node import ROOT, run_node

pytestmark = pytest.mark.timeout(400)  # TypeScript takes seconds alone, and much longer where everything else runs beside it

# What is wrong, the checker's number for it, and a script that has it.
FAULTS = {
    "a misspelled member": (
        2551,
        '/** @param {import("./state/desk.js").Desk} desk */\nexport const clear = (desk) => desk.sesions.clear();\n',
    ),
    "a member of a text": (2551, 'import { countdown } from "../kit/format.js";\ncountdown(1).lenght.toFixed();\n'),
    "a member that the API doesn't have": (
        2339,
        "/** @param {V1.Session} session */\nexport const f = (session) => session.colour;\n",
    ),
    "an import of nothing": (2305, 'import { nothing } from "./state/sessions.js";\nnothing();\n'),
    "a name that is never used": (6133, 'import { later } from "./state/sessions.js";\n'),
    "a value that may be missing": (2531, 'document.querySelector("p").remove();\n'),
    "an argument without a type": (7006, "export const same = (one) => one;\n"),
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
    for number, (_, text) in enumerate(FAULTS.values()):
        (tmp_path / f"gateway/pages/static/desk/fault{number}.js").write_text(text)
    tool = run.SCRIPTS["types"][0]
    found = run_node(tool, "--project", str(tmp_path), needs=tool)
    told = re.findall(r"/(fault\d)\.js\(.*error TS(\d+)", found.stdout)
    assert found.returncode != 0
    assert sorted(told) == [(f"fault{number}", str(code)) for number, (code, _) in enumerate(FAULTS.values())]


def test_the_scripts_are_checked_against_what_the_api_answers() -> None:
    assert api_types.FILE.read_text(encoding="utf-8") == api_types.page(), "run `python -m tests.scripts.api_types`"


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
