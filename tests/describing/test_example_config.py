"""config/gateway.example.yaml: current, loadable, whole, and true about defaults."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from adapters import registry
from adapters.contract import Account
from gateway import config
from gateway.config import GatewayConfig, SalesforceOrg
from gateway.describing.example_config import example, own_adapters
from gateway.errors import ConfigFaults
from gateway.session.model import OrgSettings
from tests.config.keys import PEM

FILE = Path(__file__).resolve().parents[2] / "config" / "gateway.example.yaml"
REFERENCE = re.compile(r"\$\{(\w+)\}")
# What Apple's secret must be: base64. Any other secret may be any text.
SECRET = "c2VjcmV0IG9mIHRoZSBleGFtcGxl"


def environment(text: str) -> dict[str, str]:
    """Every variable that the file names, each with a value of its own."""
    return {name: f"{SECRET[:-4]}{index:04d}" for index, name in enumerate(REFERENCE.findall(text))}


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in models_in(inner)]


def settings_of(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, str, str | None]]:
    """(model, setting, description) of a model and of all models within it."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        if not field.exclude:
            yield model.__name__, name, field.description
            for inner in models_in(field.annotation):
                yield from settings_of(inner, seen)


def every_setting() -> list[tuple[str, str, str | None]]:
    seen: set[type[BaseModel]] = set()
    models: list[type[BaseModel]] = [GatewayConfig, *(adapter.account for adapter in own_adapters().values())]
    return [setting for model in models for setting in settings_of(model, seen)]


def test_the_file_is_what_the_command_prints() -> None:
    assert FILE.read_text() == example(own_adapters()), "run `byoc example-config > config/gateway.example.yaml`"


def test_it_loads_when_its_variables_are_set() -> None:
    text = FILE.read_text()
    loaded = config.loads(text, environment=environment(text))
    assert set(loaded.channels) == set(own_adapters())
    assert set(loaded.orgs["acme"].reps) == {"ana", "sam"}


def test_it_tells_every_variable_that_is_not_set() -> None:
    text = FILE.read_text()
    with pytest.raises(ConfigFaults) as caught:
        config.loads(text, environment={})
    told = "\n".join(map(str, caught.value.faults))
    for name in REFERENCE.findall(re.sub(r"(?m)^\s*#.*$", "", text)):
        assert f"the environment variable {name} is not set" in told


def test_every_setting_is_mentioned() -> None:
    text = FILE.read_text()
    missing = [f"{model}.{name}" for model, name, _ in every_setting() if not re.search(rf"\b{name}`?:", text)]
    assert missing == []


def test_every_setting_has_a_description() -> None:
    bare = [f"{model}.{name}" for model, name, told in every_setting() if not told or len(told) < 10]
    assert bare == []


def test_what_stands_behind_a_hash_is_the_default() -> None:
    """With every `#name: value` taken in, the config means the same as without."""
    text = FILE.read_text()
    taken_in = re.sub(r"(?m)^(\s*)#(?=\w+:)", r"\1", text)
    assert taken_in != text
    variables = environment(text)
    plain, whole = (config.loads(one, environment=variables).config for one in (text, taken_in))
    assert whole == plain.model_copy(update={"channels": whole.channels})
    accounts = [config.loads(one, environment=variables).channels for one in (text, taken_in)]
    for key in own_adapters():
        assert accounts[0][key].account == accounts[1][key].account
        assert accounts[0][key].config.model_copy(update={"account": {}}) == whole.channels[key].model_copy(
            update={"account": {}}
        )


def test_a_group_that_is_off_can_be_switched_on() -> None:
    text = FILE.read_text()
    block = re.search(r"(?m)^#oidc:\n(?:#  .*\n)+", text)
    assert block
    switched_on = text.replace(block[0], re.sub(r"(?m)^#", "", block[0]))
    found = config.loads(switched_on, environment=environment(text)).config.oidc
    assert found is not None
    assert (found.org, found.audience) == ("acme", "byoc")


def test_a_salesforce_org_and_its_channel_can_be_switched_on(tmp_path: Path) -> None:
    text = FILE.read_text()
    org = re.search(r"(?m)^# salesforce:\n(?:#  .*\n)+#salesforce: .*\n", text)
    channel = re.search(r"(?m)^    #salesforce:\n(?:    #  .*\n)+", text)
    assert org
    assert channel
    key = tmp_path / "key.pem"
    key.write_bytes(PEM)
    switched_on = text.replace(org[0], re.sub(r"(?m)^# |^#\w.*\n", "", org[0])).replace(
        channel[0], re.sub(r"(?m)^    #", "    ", channel[0])
    )
    loaded = config.loads(switched_on.replace("/run/secrets/salesforce.pem", str(key)), environment=environment(text))
    there = loaded.channels["apple"].config.salesforce
    assert there is not None
    assert there.org in loaded.config.salesforce
    assert loaded.config.salesforce[there.org].requests_per_second == SalesforceOrg.model_fields["requests_per_second"].default


def test_groups_stand_at_their_defaults() -> None:
    written = yaml.safe_load(FILE.read_text())
    assert OrgSettings(**written["orgs"]["acme"]["settings"]) == OrgSettings()
    for group in ("listen", "limits", "retention"):
        assert GatewayConfig.model_validate({group: written[group]}) == GatewayConfig()


def test_no_secret_stands_in_it() -> None:
    made_up = [
        str(value)
        for kind, adapter in own_adapters().items()
        for value in _secrets(
            adapter.account, adapter.demo(kind, "https://api.example.com", "https://byoc.example.com/webhooks/x")
        )
    ]
    assert made_up
    text = FILE.read_text()
    assert [secret for secret in made_up if secret in text] == []


def _secrets(account: type[Account], given: dict[str, Any]) -> Iterator[str]:
    for name, field in account.model_fields.items():
        if name in given and "SecretStr" in str(field.annotation):
            value = given[name]
            yield from value if isinstance(value, list) else [value]


def test_a_plug_in_gets_its_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    sms = registry.load()["sms"]
    found = {"pigeon": sms.__class__(**{**vars(sms), "kind": "pigeon", "title": "By pigeon"})}
    text = example(found)
    assert "# By pigeon\n  pigeon:\n    # The adapter" in text
    assert "${PIGEON_AUTH_TOKEN}" in text
