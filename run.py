"""Sets up what is needed and runs one thing: `python3 run.py demo`, `python3 run.py test`, or any `byoc` command.

Needs Python 3.11 or newer and nothing else. Everything goes into `.venv` beside this file, in the versions and with the hashes
of the lock files; the system's Python is left as it is. `python3 run.py lock` renews the lock files.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
DONE = VENV / "set-up"  # holds what the venv was made from
LOCK, DEV_LOCK = HERE / "requirements.lock", HERE / "requirements-dev.lock"
FULL_LOCK = HERE / "requirements-full.lock"
LOCKS = {"plain": LOCK, "full": FULL_LOCK, "dev": DEV_LOCK}  # each has all that is in those before it
EXTRAS = ("salesforce", "postgresql", "nats", "s3", "demo-postgresql")  # what users may add, each for a thing that they ask for
PROTO = HERE / "gateway" / "brokers" / "salesforce" / "pubsub.proto"  # what the package's build makes stubs of
TIERS = {  # of tests, quick ones first; each stands for its folders in `run.py test TIER …`
    "pure": ("tests/session", "tests/store", "tests/adapters", "tests/config", "tests/describing"),
    "rooms": (
        "tests/brokers",
        "tests/journal",
        "tests/edge",
        "tests/identity",
        "tests/processes",
        "tests/doorbell",
        "tests/sharing",
        "tests/nats_inbox",
        "tests/deploy",
        "tests/demo",
        "tests/test_*.py",
    ),
    "whole": ("tests/acceptance", "tests/pages", "tests/webchat", "tests/kit", "tests/scripts"),
}
SCRIPTS = {  # what checks the pages' scripts, run by Node.js
    "lint": ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
    "types": ["node_modules/typescript/bin/tsc"],
}


def main(arguments: list[str]) -> int:
    """Set up if need be, then run. The exit code is that of what was run."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one must be told
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    what, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if what in ("-h", "--help"):
        print("usage: python3 run.py demo | test | lint | types | lock | COMMAND OF byoc …\n\n" + (__doc__ or ""))
        return 0 if arguments else 2
    tool = tools(rest).get(what)
    set_up("dev" if tool is not None else "full" if asks_for_extras(arguments) else "plain")
    if tool is None:
        command = [str(PYTHON), "-m", "gateway.cli", *arguments]
        if os.name != "nt":
            os.execv(command[0], command)  # signals go straight to the gateway  # noqa: S606
        return subprocess.run(command, cwd=HERE, check=False).returncode
    # Tests start the gateway many times. Python compiles all of it at each start where it may not keep what it compiled.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    commands = [[str(PYTHON), "-m", *command] for command in tool]
    outcome = max(subprocess.run(command, cwd=HERE, env=environment, check=False).returncode for command in commands)
    return max(outcome, check_scripts(what)) if what in SCRIPTS else outcome


def asks_for_extras(arguments: list[str]) -> bool:
    """Whether a command, or the config that it names, speaks of what the plain packages can't do: Salesforce, PostgreSQL, NATS or S3."""
    words = [word for argument in arguments for word in (argument, argument.partition("=")[2])]
    configs = [Path(word) for word in (*words, os.environ.get("BYOC_CONFIG", "")) if word.endswith((".yaml", ".yml"))]
    asked = re.compile(
        r"""(?mx)^(?:
            (?:salesforce|stores):(?!\s*(?:\{\s*\}|null|~)\s*(?:\#|$))  # a table, in the same line or below
            | (?:store|inbox|media):(?:[ \t]*\n)?[ \t]+(?!(?:null|~)\s*(?:\#|$))[^\s\#]  # an address, or a reference to where it is
        )"""
    )
    named = any(re.match(r"(salesforce|postgresql)$|(postgres(ql)?|nats|tls|s3)://", word) for word in words)
    return named or any(asked.search(path.read_text("utf-8", "replace")) for path in configs if path.is_file())


def tools(arguments: list[str]) -> dict[str, list[list[str]]]:
    """What isn't a command of `byoc`: the modules that each runs, one after the other."""
    return {
        "test": tests(arguments),
        "lint": [["ruff", "check", "."], ["ruff", "format", "--check", "."]],
        "types": [["mypy"]],
        "lock": locking(arguments),
    }


def tests(arguments: list[str]) -> list[list[str]]:
    """pytest on all cores; in one process for a single file, and whenever the arguments say how many."""
    arguments = [part for argument in arguments for part in folders(argument)]
    files = [argument for argument in arguments if (HERE / argument.partition("::")[0]).is_file()]
    said = any(re.match(r"-n|--numprocesses|--dist|--pdb|--trace$|(-p)?no:xdist|--co", argument) for argument in arguments)
    spread = [] if said or len(files) == 1 else ["-n", str(workers()), "--dist", "loadgroup"]
    return [["pytest", *spread, *arguments]]


def folders(argument: str) -> list[str]:
    """What a tier stands for; anything else stands for itself."""
    patterns = TIERS.get(argument, ())
    return (
        [str(path.relative_to(HERE)) for pattern in patterns for path in sorted(HERE.glob(pattern))] if patterns else [argument]
    )


def workers() -> int:
    """One more than the cores that this process may use: tests wait for the disk and for other processes, too."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def locking(arguments: list[str]) -> list[list[str]]:
    """Bring the lock files in line with pyproject.toml. Versions stay where they can; `--upgrade` takes the newest."""
    compiling = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11"]
    quiet = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    command = [*compiling, *quiet, *arguments, "pyproject.toml"]
    return [
        [*command, "--extra", "build", "--output-file", LOCK.name],
        [*command, "--all-extras", "--constraint", LOCK.name, "--output-file", DEV_LOCK.name],
        [
            *command,
            *(option for extra in ("build", "stubs", *EXTRAS) for option in ("--extra", extra)),
            *("--constraint", DEV_LOCK.name, "--output-file", FULL_LOCK.name),
        ],
    ]


def check_scripts(what: str) -> int:
    """Lint the pages' scripts or check their types, where Node.js and `npm ci` made it possible; elsewhere say what is missing, a fault in CI alone."""
    node = shutil.which("node") or shutil.which("nodejs")
    tool, *options = SCRIPTS[what]
    if node and (HERE / tool).exists():
        return subprocess.run([node, tool, *options], cwd=HERE, check=False).returncode
    wanted = "their tools with `npm ci`" if node else "Node.js and npm, then run `npm ci`"
    print(f"The pages' scripts were not checked ({what}): install {wanted}.", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


def set_up(kind: str) -> None:
    """Make the venv, or bring it up to date; nothing is done when nothing changed. `full` has what `plain` has, `dev` has all."""
    made_from = (HERE / "pyproject.toml", HERE / "setup.py", PROTO, *LOCKS.values())
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in made_from)).hexdigest()
    done = DONE.read_text().split() if DONE.exists() else []
    if done[:1] == [wanted] and [*LOCKS].index(kind) <= [*LOCKS].index(done[1]):
        return
    print("setting up .venv (once; later starts are quick)", flush=True)
    if not PYTHON.exists():
        make_venv()
    install(["--require-hashes", "-r", str(LOCKS[kind])])
    install(["--no-deps", "--no-build-isolation", "-e", "."])
    DONE.write_text(f"{wanted} {kind}")


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
        fix = "pip is missing: install your system's python3-venv (or python3-pip) package and try again"
        run([sys.executable, "-m", "pip", "--python", str(PYTHON), *options], fix)


def run(command: list[str], sentence: str) -> None:
    """Run it, or end with the sentence."""
    if subprocess.run(command, cwd=HERE, check=False).returncode != 0:
        print(sentence, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
