"""What the files in deploy/ become: compose's own reading of its file, and kustomize's of the manifests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
ROLES = ("edge", "broker", "sender", "api")
Tree = dict[str, Any]


def program(name: str) -> str:
    """One that a Python package brings along: beside this Python."""
    return str(Path(sys.executable).with_name(name))


def said(*command: str, **environment: str) -> str:
    """What a program wrote, or the test fails with its complaint. It finds no settings of the machine's user."""
    clean = {"PATH": os.environ["PATH"], "HOME": os.devnull, **environment}
    ran = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@cache
def compose() -> Tree:
    """`compose.yaml` with everything filled in, as the engine would be told."""
    read: Tree = json.loads(said(program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config", "--format", "json"))
    return read


@cache
def manifests() -> list[Tree]:
    """All objects of the example overlay, as the cluster would be told."""
    return list(yaml.safe_load_all(said(program("kubectl"), "kustomize", str(KUBERNETES / "overlays" / "example"))))


def of_kind(kind: str) -> dict[str, Tree]:
    """By name."""
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def files_named(config: str) -> set[str]:
    """The files that a config refers to."""
    uncommented = "\n".join(line for line in config.splitlines() if not line.lstrip().startswith("#"))
    return set(re.findall(r"\$\{file:([^}]+)\}", uncommented))
