"""The config: read from YAML and the environment; every fault told at once, with its line and its fix, and no secret in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gateway import config
from gateway.errors import ConfigFault, ConfigFaults

SOUND = """\
public_url: https://byoc.example.com
data_dir: /var/lib/byoc
trusted_proxies: [10.0.0.0/8]
orgs:
  acme:
    reps:
      ana: {name: Ana, tokens: ["${ANA_TOKEN}"], permissions: [messaging_agent, run_flows]}
      ben: {name: Ben}
    queues:
      support: {name: Support, reps: [ana, ben]}
    flows:
      bills:
        name: Bills
        rules:
          - when: {text_matches: "(?i)bill", hours: ["08:00", "18:00"], weekdays: [0, 6]}
            to: {type: agent, id: ana}
          - to: {type: queue, id: support}
channels:
  sms-de:
    kind: sms
    org: acme
    queue: support
    edition: standard
    notices: {"*": {left: null}, de: {joined: "{name} ist da."}}
    account:
      account_sid: AC00000000000000000000000000000001
      auth_tokens: ["${file:FOLDER/token}", "${OLD_TOKEN}"]
      number: "+15550002222"
"""
VARIABLES = {"ANA_TOKEN": "the-token-of-ana", "OLD_TOKEN": "the-old-auth-token"}


@pytest.fixture
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of mounted secrets."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "token").write_text("the-new-auth-token\n")
    return folder


@pytest.fixture
def sound(secrets: Path) -> str:
    """A config without faults."""
    return SOUND.replace("FOLDER", str(secrets))


def read(text: str, variables: Mapping[str, str] = VARIABLES) -> config.Loaded:
    return config.loads(text, name="gateway.yaml", environment=variables)


def faults_of(text: str, variables: Mapping[str, str] = VARIABLES) -> list[ConfigFault]:
    with pytest.raises(ConfigFaults) as caught:
        read(text, variables)
    return list(caught.value.faults)


def line_with(text: str, words: str) -> int:
    """The number of the one line that holds these words."""
    found = [number for number, line in enumerate(text.splitlines(), 1) if words in line]
    assert len(found) == 1, words
    return found[0]


def test_a_sound_config(sound: str) -> None:
    loaded = read(sound)
    assert loaded.config.public_url == "https://byoc.example.com"
    channel = loaded.channels["sms-de"]
    assert channel.account.webhook_url == "https://byoc.example.com/webhooks/sms-de"
    assert channel.account.channel_id == "sms-de"
    assert [t.get_secret_value() for t in channel.account.model_dump()["auth_tokens"]] == [
        "the-new-auth-token",
        "the-old-auth-token",
    ]
    assert loaded.orgs["acme"].reps["ana"].permissions == {"messaging_agent", "run_flows"}
    assert loaded.orgs["acme"].queues_of("ben") == {"support"}
    assert channel.facts.edition == "standard"


def test_an_empty_config_is_all_defaults() -> None:
    assert read("").config == config.GatewayConfig()


class Case(NamedTuple):
    """One fault: `old` in the sound config becomes `new`; it is told at the line that holds `line`."""

    name: str
    old: str
    new: str
    line: str
    path: str
    fault: str
    fix: str


CASES = [
    Case(
        name="misspelt setting at the top",
        old="data_dir:",
        new="data_dri:",
        line="data_dri",
        path="data_dri",
        fault="is not a setting",
        fix="Did you mean `data_dir`?",
    ),
    Case(
        name="misspelt setting of a rep",
        old="permissions: [mess",
        new="permisions: [mess",
        line="permisions",
        path="orgs.acme.reps.ana.permisions",
        fault="is not a setting",
        fix="Did you mean `permissions`?",
    ),
    Case(
        name="misspelt setting of an account",
        old="account_sid: AC00000000000000000000000000000001",
        new="account_sid: AC00000000000000000000000000000001\n      api_key_sdi: SK1",
        line="api_key_sdi",
        path="channels.sms-de.account.api_key_sdi",
        fault="is not a setting",
        fix="Did you mean `api_key_sid`?",
    ),
    Case(
        name="a setting that resembles none",
        old="data_dir:",
        new="zzz:",
        line="zzz",
        path="zzz",
        fault="is not a setting",
        fix="Remove it or correct its spelling.",
    ),
    Case(
        name="missing setting",
        old="ben: {name: Ben}",
        new="ben: {capacity: 3}",
        line="ben: {",
        path="orgs.acme.reps.ben.name",
        fault="is missing",
        fix="Add it.",
    ),
    Case(
        name="number out of range",
        old="data_dir:",
        new="listen: {port: 70000}\ndata_dir:",
        line="listen",
        path="listen.port",
        fault="input should be less than or equal to 65535",
        fix="Write a smaller number.",
    ),
    Case(
        name="no number",
        old="data_dir:",
        new="listen: {port: http}\ndata_dir:",
        line="listen",
        path="listen.port",
        fault="is not a whole number",
        fix="Write a whole number.",
    ),
    Case(
        name="not one of the words",
        old="edition: standard",
        new="edition: extended",
        line="edition",
        path="channels.sms-de.edition",
        fault="input should be 'enhanced' or 'standard'",
        fix="Use one of these values.",
    ),
    Case(
        name="a list that is none",
        old="reps: [ana, ben]",
        new="reps: ana",
        line="reps: ana",
        path="orgs.acme.queues.support.reps",
        fault="is not a list",
        fix="Write a list such as [a, b].",
    ),
    Case(
        name="no URL",
        old="public_url: https:",
        new="public_url: htp:",
        line="public_url",
        path="public_url",
        fault="doesn't begin with https:// or http://",
        fix="Write it as https://host.example.com, with a port where it needs one.",
    ),
    Case(
        name="no network",
        old="10.0.0.0/8",
        new="10.0.0/8",
        line="trusted_proxies",
        path="trusted_proxies.0",
        fault="is not a network",
        fix="Write an address, or a network that begins with its first address, such as 10.0.0.0/8.",
    ),
    Case(
        name="variable that is not set",
        old="${ANA_TOKEN}",
        new="${ANNA_TOKEN}",
        line="ANNA_TOKEN",
        path="orgs.acme.reps.ana.tokens.0",
        fault="the environment variable ANNA_TOKEN is not set",
        fix="Set it before starting, or write the value here.",
    ),
    Case(
        name="file that is not there",
        old="/token}",
        new="/nothing}",
        line="/nothing}",
        path="channels.sms-de.account.auth_tokens.0",
        fault="nothing can't be read (No such file or directory)",
        fix="Put the secret there or correct the path.",
    ),
    Case(
        name="unknown adapter, near a known one",
        old="kind: sms",
        new="kind: smss",
        line="kind: smss",
        path="channels.sms-de.kind",
        fault="there is no adapter named 'smss'",
        fix="Did you mean `sms`?",
    ),
    Case(
        name="unknown org",
        old="    org: acme",
        new="    org: acne",
        line="org: acne",
        path="channels.sms-de.org",
        fault="there is no org 'acne'",
        fix="Use one of: acme.",
    ),
    Case(
        name="unknown queue",
        old="queue: support",
        new="queue: sales",
        line="queue: sales",
        path="channels.sms-de.queue",
        fault="org 'acme' has no queue 'sales'",
        fix="Use one of: support.",
    ),
    Case(
        name="edition that the channel hasn't",
        old="kind: sms",
        new="kind: line",
        line="edition",
        path="channels.sms-de.edition",
        fault="line has no edition 'standard'",
        fix="Use one of: enhanced.",
    ),
    Case(
        name="unknown rep in a queue",
        old="reps: [ana, ben]",
        new="reps: [ana, bob]",
        line="bob",
        path="orgs.acme.queues.support.reps",
        fault="there is no rep 'bob'",
        fix="Use one of: ana, ben.",
    ),
    Case(
        name="flow to nobody",
        old="to: {type: agent, id: ana}",
        new="to: {type: agent, id: anna}",
        line="anna",
        path="orgs.acme.flows.bills.rules.0.to",
        fault="there is no agent 'anna'",
        fix="Use one of: ana, ben.",
    ),
    Case(
        name="flow to others",
        old="to: {type: agent, id: ana}",
        new="to: {type: others, id: ana}",
        line="others",
        path="orgs.acme.flows.bills.rules.0.to",
        fault="a flow can't name 'others'",
        fix="Use agent or queue.",
    ),
    Case(
        name="not a regular expression",
        old='"(?i)bill"',
        new='"(bill"',
        line='"(bill"',
        path="orgs.acme.flows.bills.rules.0.when.text_matches",
        fault="is not a regular expression (missing ), unterminated subpattern at position 0)",
        fix="Correct the pattern.",
    ),
    Case(
        name="hours without a leading nought",
        old='"08:00"',
        new='"8:00"',
        line='"8:00"',
        path="orgs.acme.flows.bills.rules.0.when.hours",
        fault="are not times of day",
        fix='Write two times in UTC, such as ["08:00", "18:00"].',
    ),
    Case(
        name="a source that no customer comes by",
        old="weekdays: [0, 6]",
        new="referral: {sources: [ad, billboard]}",
        line="billboard",
        path="orgs.acme.flows.bills.rules.0.when.referral.sources.1",
        fault="'optin', 'page' or 'other'",
        fix="Use one of these values.",
    ),
    Case(
        name="Sunday as 7",
        old="weekdays: [0, 6]",
        new="weekdays: [1, 7]",
        line="weekdays",
        path="orgs.acme.flows.bills.rules.0.when.weekdays",
        fault="are not days of the week",
        fix="Use 0 (Monday) to 6 (Sunday).",
    ),
    Case(
        name="misspelt notice",
        old="{joined:",
        new="{join:",
        line="{join:",
        path="channels.sms-de.notices.de.join",
        fault="there is no notice 'join'",
        fix="Did you mean `joined`?",
    ),
    Case(
        name="channel id that is no part of an address",
        old="sms-de:",
        new="sms/de:",
        line="sms/de:",
        path="channels.sms/de",
        fault="a channel's id is part of an address",
        fix="Use letters, digits, - and _ only, at most 64.",
    ),
    Case(
        name="the same rep twice",
        old="ben: {name: Ben}",
        new="ben: {name: Ben}\n      ana: {name: Anna}",
        line="Anna",
        path="orgs.acme.reps.ana",
        fault="is in line 7 already",
        fix="Keep one of them or rename one.",
    ),
    Case(
        name="digest that is none",
        old="ben: {name: Ben}",
        new="ben: {name: Ben, tokens: ['sha256:12']}",
        line="sha256",
        path="orgs.acme.reps.ben.tokens.0",
        fault="is not a digest",
        fix="Write sha256: followed by the token's digest in 64 hex digits.",
    ),
    Case(
        name="token with a space",
        old="ben: {name: Ben}",
        new="ben: {name: Ben, tokens: ['two words']}",
        line="two words",
        path="orgs.acme.reps.ben.tokens.0",
        fault="can't be sent in a header",
        fix="Use ASCII letters, digits and punctuation without spaces, at most 8192.",
    ),
    Case(
        name="one token for two",
        old="ben: {name: Ben}",
        new="ben: {name: Ben, tokens: ['the-token-of-ana']}",
        line="ben: {",
        path="orgs.acme.reps.ben.tokens.0",
        fault="is also another rep's token",
        fix="Give each rep a different token.",
    ),
    Case(
        name="an account's own check",
        old='\n      number: "+15550002222"',
        new="",
        line="account:",
        path="channels.sms-de.account",
        fault="set number or messaging_service_sid: without one, Twilio has no sender",
        fix="Correct it; see config/gateway.example.yaml.",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_fault(case: Case, sound: str) -> None:
    assert case.old in sound
    text = sound.replace(case.old, case.new, 1)
    told = faults_of(text)
    fitting = [fault for fault in told if fault.place == f"gateway.yaml:{line_with(text, case.line)} {case.path}"]
    assert len(fitting) == 1, [str(fault) for fault in told]
    assert fitting[0].fault.endswith(case.fault)
    assert fitting[0].fix == case.fix
    # Another kind of channel lacks the settings of the other's account; else a fault comes alone.
    assert len(told) == 1 or case.old == "kind: sms", [str(fault) for fault in told]


def test_many_faults_at_once_in_the_order_of_the_file(sound: str) -> None:
    wanted = [case for case in CASES if case.old in ("data_dir:", "10.0.0.0/8", "${ANA_TOKEN}", "{joined:", "/token}")]
    wanted = [next(case for case in wanted if case.old == old) for old in dict.fromkeys(case.old for case in wanted)]
    assert len(wanted) == 5
    text = sound
    for case in wanted:
        text = text.replace(case.old, case.new, 1)
    expected = {f"gateway.yaml:{line_with(text, case.line)} {case.path}": case.fix for case in wanted}
    told = faults_of(text)
    assert {fault.place: fault.fix for fault in told} == expected
    lines = [int(re.findall(r":(\d+) ", fault.place)[0]) for fault in told]
    assert lines == sorted(lines)


def test_ill_shaped_values_do_not_hide_what_is_wrong_between_the_parts(sound: str) -> None:
    text = sound.replace("ben: {name: Ben}", "ben: {capacity: many}").replace("queue: support", "queue: sales")
    told = {fault.place.partition(" ")[2] for fault in faults_of(text)}
    # The queue names `ben`, who is there although something is wrong with him.
    assert told == {"orgs.acme.reps.ben.name", "orgs.acme.reps.ben.capacity", "channels.sms-de.queue"}


def test_a_variable_that_is_empty_is_no_secret(sound: str) -> None:
    told = faults_of(sound, {**VARIABLES, "OLD_TOKEN": ""})
    assert [fault.fault for fault in told] == ["the environment variable OLD_TOKEN is empty"]


def test_a_file_that_is_empty_is_no_secret(sound: str, secrets: Path) -> None:
    (secrets / "token").write_text("\n")
    assert [fault.fault for fault in faults_of(sound)] == [f"the file {secrets}/token is empty"]


@pytest.mark.parametrize(
    ("text", "place", "fault"),
    [
        ("a: [1\nb: 2", "gateway.yaml:2", "is not YAML"),
        ("a:\n\tb: 1", "gateway.yaml:2", "is not YAML"),
        ("a: *nowhere", "gateway.yaml:1", "is not YAML"),
        ("- 1", "gateway.yaml", "is not a group of settings"),
        ("just words", "gateway.yaml", "is not a group of settings"),
        ("orgs: 5", "gateway.yaml:1 orgs", "is not a group of settings"),
        ("channels:\n  1: {kind: sms, org: a}", "gateway.yaml:2 channels.1", "is not a text"),
    ],
)
def test_what_is_no_config_at_all(text: str, place: str, fault: str) -> None:
    told = faults_of(text)
    assert told[0].place == place
    assert told[0].fault.startswith(fault)
    assert told[0].fix


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigFaults, match=r"can't be read \(No such file or directory\). Give the path of a readable YAML file."
    ):
        config.load(tmp_path / "gateway.yaml")
    (tmp_path / "gateway.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigFaults, match="is not UTF-8 text"):
        config.load(tmp_path / "gateway.yaml")


CANARY = "canary-5up3r-53cr3t"


def with_canaries(value: Any) -> list[Any]:
    """The data with the canary in place of one text or number after another."""
    if isinstance(value, dict):
        return [{**value, key: one} for key in value for one in with_canaries(value[key])]
    if isinstance(value, list):
        return [[*value[:i], one, *value[i + 1 :]] for i in range(len(value)) for one in with_canaries(value[i])]
    return [CANARY, [CANARY], {"x": CANARY}, f"sha256:{CANARY}", f"{CANARY} {CANARY}"]


def test_no_fault_shows_what_was_given_for_a_secret(sound: str) -> None:
    """Names that refer to each other are told by design; what may hold a secret never is."""
    secret = {"tokens", "media_secret", "auth_tokens", "api_key_secret", "shared_keys"}
    text = sound.replace("data_dir:", "media_secret: ${ANA_TOKEN}\ndata_dir:")
    text = text.replace(
        "account_sid: AC00000000000000000000000000000001",
        "account_sid: AC00000000000000000000000000000001\n      api_key_secret: ${ANA_TOKEN}\n      shared_keys: {a: b}",
    )
    data = yaml.safe_load(text)
    told = [told_of(yaml.safe_dump(changed)) for changed in _only_at(secret, data)]
    assert sum(map(bool, told)) >= 10
    assert [faults for faults in told if CANARY in faults] == []


def told_of(text: str) -> str:
    try:
        read(text)
    except ConfigFaults as faults:
        return str(faults)
    return ""


def _only_at(names: set[str], value: Any) -> list[Any]:
    if isinstance(value, list):
        return [[*value[:i], one, *value[i + 1 :]] for i in range(len(value)) for one in _only_at(names, value[i])]
    if not isinstance(value, dict):
        return []
    here = [{**value, key: one} for key in value if key in names for one in with_canaries(value[key])]
    return here + [{**value, key: one} for key in value if key not in names for one in _only_at(names, value[key])]


def test_no_secret_in_what_a_config_says_of_itself(sound: str) -> None:
    loaded = read(sound)
    said = f"{loaded.config!r} {loaded.config} {loaded.channels['sms-de'].account!r} {loaded.orgs['acme'].reps!r}"
    for secret in ("token-of-ana", "the-new-auth-token", "the-old-auth-token"):
        assert secret not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("store", "postgresql://byoc@db/byoc"), ("stores", {"acme": "postgresql://byoc@db/acme"}), ("media", "s3://files")],
)
def test_processes_that_share_what_they_keep_need_one_secret(name: str, value: object) -> None:
    with pytest.raises(ConfigFaults) as told:
        config.build({"orgs": {"acme": {}}, name: value})
    (fault,) = told.value.faults
    assert fault.place.endswith("media_secret")
    assert f"`{name}` is shared by several processes" in fault.fault
    assert "openssl rand" in fault.fix
    config.build({"orgs": {"acme": {}}, name: value, "media_secret": "a-secret-of-some-length"})
