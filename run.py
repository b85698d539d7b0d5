"""Sets up what is needed and runs one thing: `python3 run.py demo`, `python3 run.py test`, or any `byoc` command.

Needs Python 3.11 or newer and nothing else. Everything goes into `.venv` beside this file; the system's Python is left as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
DONE = VENV / "set-up"  # holds what the venv was made from
SCRIPTS = {  # what checks the pages' scripts, run by Node.js
    "lint": ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
    "types": ["node_modules/typescript/bin/tsc"],
}


def main(arguments: list[str]) -> int:
    """Set up if need be, then run. The exit code is that of what was run."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one must be told
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    what = arguments[0] if arguments else "--help"
    if not arguments or what in ("-h", "--help"):
        print("usage: python3 run.py demo | test | lint | types | COMMAND OF byoc …\n\n" + (__doc__ or ""))
        return 0 if arguments else 2
    wants_tools = what in ("test", "lint", "types")
    set_up("[dev]" if wants_tools else "")
    commands = {
        "test": [[str(PYTHON), "-m", "pytest", *arguments[1:]]],
        "lint": [[str(PYTHON), "-m", "ruff", "check", "."], [str(PYTHON), "-m", "ruff", "format", "--check", "."]],
        "types": [[str(PYTHON), "-m", "mypy"]],
    }.get(what, [[str(PYTHON), "-m", "gateway.cli", *arguments]])
    if what not in ("test", "lint", "types") and os.name != "nt":
        os.execv(commands[0][0], commands[0])  # signals go straight to the gateway  # noqa: S606
    outcome = max(subprocess.run(command, cwd=HERE, check=False).returncode for command in commands)
    return max(outcome, check_scripts(what)) if what in SCRIPTS else outcome


def check_scripts(what: str) -> int:
    """Lint the pages' scripts or check their types, where Node.js and `npm ci` made it possible; elsewhere say what is missing, a fault in CI alone."""
    node = shutil.which("node") or shutil.which("nodejs")
    tool, *options = SCRIPTS[what]
    if node and (HERE / tool).exists():
        return subprocess.run([node, tool, *options], cwd=HERE, check=False).returncode
    wanted = "their tools with `npm ci`" if node else "Node.js and npm, then run `npm ci`"
    print(f"The pages' scripts were not checked ({what}): install {wanted}.", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


def set_up(extras: str) -> None:
    """Make the venv, or bring it up to date; nothing is done when nothing changed."""
    wanted = hashlib.sha256((HERE / "pyproject.toml").read_bytes()).hexdigest()
    done = DONE.read_text().split() if DONE.exists() else []
    if done[:1] == [wanted] and extras in ("", *done[1:]):
        return
    print("setting up .venv (once; later starts are quick)", flush=True)
    if not PYTHON.exists():
        make_venv()
    install(["-e", f".{extras}"])
    DONE.write_text(f"{wanted} {extras}")


def make_venv() -> None:
    """With pip inside, or, where the system's Python comes without `ensurepip` (Debian), without."""
    whole = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, check=False)
    if whole.returncode != 0:
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], "the venv can't be made")


def install(what: list[str]) -> None:
    """By the venv's own pip, else by the system's pip into the venv."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--no-input", *what]
    own = subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    if own:
        run([str(PYTHON), "-m", "pip", *options], "the packages can't be installed: see pip's words above")
    else:
        mend = "no pip is to be had: install your system's python3-venv (or python3-pip) package and try again"
        run([sys.executable, "-m", "pip", "--python", str(PYTHON), *options], mend)


def run(command: list[str], sentence: str) -> None:
    """Run it, or end with the sentence."""
    if subprocess.run(command, cwd=HERE, check=False).returncode != 0:
        print(sentence, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
