"""What the containers are started with is what `byoc serve` takes."""

from __future__ import annotations

import click
import pytest

from gateway.cli import main
from tests.deploy.deployed import DEPLOY, ROLES, compose, of_kind

COMMANDS = [(role, compose()["services"][role]["command"]) for role in ROLES] + [
    (role, of_kind("Deployment")[role]["spec"]["template"]["spec"]["containers"][0]["args"]) for role in ROLES
]


@pytest.mark.parametrize(("role", "command"), COMMANDS)
def test_the_command_starts_the_role_that_it_is_named_for(role: str, command: list[str]) -> None:
    program, *arguments = command
    assert program == "byoc"
    context = click.Context(main, info_name="byoc", **main.context_settings)
    name, serve, rest = main.resolve_command(context, arguments)
    assert name == "serve"
    assert serve is not None
    made = serve.make_context(
        "serve", [*rest, "--config", str(DEPLOY / "gateway.yaml")], parent=context
    )  # else its -h is forgotten
    assert made.params["roles"] == (role,)
