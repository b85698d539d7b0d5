"""Every setting that has a form is checked against it: the fault names the place and the fix, and never shows what was given."""

from __future__ import annotations

import copy
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, Field, SecretStr

from adapters import registry
from adapters.contract import Account
from gateway import config
from gateway.cli import main
from gateway.config.checks import secret_faults
from gateway.config.text import Places
from gateway.errors import ConfigFault, ConfigFaults

HOME = "https://byoc.example.com"
KEY = "a-key-of-more-than-thirty-two-bytes-000"
RAW: dict[str, Any] = {
    "public_url": HOME,
    "trusted_proxies": ["127.0.0.1"],
    "media_secret": KEY,
    "orgs": {
        "acme": {
            "reps": {"ana": {"name": "Ana", "tokens": ["a-token-of-some-length"]}},
            "queues": {"support": {"name": "Support", "reps": ["ana"]}},
            "flows": {"f": {"name": "F", "rules": [{"when": {"channels": ["sms"]}, "to": {"type": "queue", "id": "support"}}]}},
        }
    },
    "channels": {
        kind: {
            "kind": kind,
            "org": "acme",
            "queue": "support",
            "account": dict(adapter.demo(kind, f"http://127.0.0.1:1/sim/{kind}", f"{HOME}/webhooks/{kind}")),
        }
        for kind, adapter in registry.load().items()
        if adapter.account.__module__.startswith("adapters.")
    },
}
ACME, ANA = "orgs.acme", "orgs.acme.reps.ana"
SMS, LINE, APPLE, WEB = (f"channels.{kind}.account" for kind in ("sms", "line", "apple", "webchat"))
WA, OPEN, TWA, MSG, IG = (
    f"channels.{kind}.account" for kind in ("whatsapp", "open", "whatsapp-twilio", "messenger", "instagram")
)
SID = "0" * 32

# As text programs, keyboards and terminals make of what is copied.
UNSENDABLE = (f"“{SID}”", f"{SID}ö", f"{SID}\n{SID}", f"{SID}\u200b{SID}", f"{SID}\x7f{SID}")

# (where, what is given): each is a fault at that very place.
UNFIT: list[tuple[str, Any]] = [
    *(("public_url", f"{HOME}{more}") for more in ("/", "/path", "?a=1", "#a", ":0", ":70000", ":", " ")),
    *(("public_url", given) for given in ("https://ana:pw@byoc.example.com", "byoc.example.com", "ftp://x", "https://", "https://a b", "https:///x", "https://münchen.de", "https://[::1")),
    *(("api_origins.0", given) for given in ("desk.example.com", "https://desk.example.com/", "https://Desk.example.com", "https://desk.example.com:443", "*", "https://desk.example.com/a", "null", "")),
    *((f"{WEB}.allowed_origins.0", given) for given in ("shop.example", "https://shop.example/", "https://*.example", "http://shop.example:80", "https://a:b@shop.example", "")),
    *(("trusted_proxies.0", given) for given in ("10.0.0.1/8", "proxy", "10.0.0.0/33", "")),
    *(("allow_private_media_hosts.0", given) for given in ("127.0.0.1", "127.0.0.1:0", "http://127.0.0.1:80", ":80", "")),
    *(("listen.host", given) for given in ("", "http://127.0.0.1", "a b", "127.0.0.1:80")),
    *(("media_secret", given) for given in ("", "short", KEY + "\n")),
    *((f"{ANA}.tokens.0", given) for given in ("", "short", "sha256:12", "with a blank in it, and long")),
    *((f"{ANA}.name", given) for given in ("", " ", " Ana", "A\nna")),
    *((f"{ANA}.avatar_url", given) for given in ("http://x.example/a.png", "a.png", "https://", "https://u:p@x.example/a", "https://x.example/" + "a" * 2000)),
    (f"{ANA}.licences.0", "mesaging_user"),
    (f"{ANA}.permissions.0", "run_flow"),
    *((f"{ACME}.settings.{name}", given) for name in ("idle_seconds", "offer_seconds", "disconnect_grace_seconds") for given in (float("inf"), float("nan"), 1e12, 0, -1)),
    *(("retention.inbox_days", given) for given in (float("inf"), 0.5, 1e9)),
    ("limits.grace_seconds", float("inf")),
    ("channels.sms.messages_per_second", float("inf")),
    *(("channels.sms.locale", given) for given in ("", "english language", "e", "de/AT")),
    ("channels.sms.notices.german!", {"joined": "x"}),
    ("channels.sms.notices.de.joined", ""),
    ("channels.sms.notices.de.joined", "{nmae} ist da."),
    (f"{ACME}.flows.f.rules.0.when.channels.0", "smss"),
    (f"{ACME}.flows.f.rules.0.when.locales", ["German language"]),
    *((f"{SMS}.account_sid", given) for given in (f"SK{SID}", "AC1", f"AC{SID[1:]}g", f" AC{SID}", "")),
    *((f"{SMS}.api_key_sid", given) for given in (f"AC{SID}", "SK1")),
    *((f"{SMS}.messaging_service_sid", given) for given in (f"PN{SID}", "MG1", "")),
    *((f"{SMS}.number", given) for given in ("15550002222", "005550002222", "+1 555 000 2222", "+0555000222", "a name that is too long", "")),
    *((f"{TWA}.number", given) for given in ("15550002222", "whatsapp:15550002222", "12345", "Acme")),
    (f"{SMS}.auth_tokens", []),
    *((f"{SMS}.auth_tokens.0", given) for given in ("", "short", SID + "\n")),
    (f"{SMS}.shared_keys.one", "short"),
    (f"{SMS}.mms_prefixes.0", "1"),
    (f"{SMS}.connection_overrides", "#rc=5"),
    *((f"channels.{kind}.account.api_base", given) for kind in ("sms", "line", "apple", "whatsapp", "messenger", "instagram", "webchat") for given in ("api.example.com", "https://api.example.com/", "https://api.example.com?a", "https://u:p@api.example.com", "http://api.example.com")),
    *((f"{LINE}.data_base", given) for given in ("", "https://x.example/")),
    *((f"{LINE}.sticker_base", given) for given in ("", "https://x.example/")),
    (f"{TWA}.messaging_base", "https://messaging.twilio.com/"),
    *((f"{LINE}.channel_secrets.0", given) for given in ("", "short")),
    (f"{LINE}.channel_secrets", []),
    *((f"{LINE}.access_tokens.0", given) for given in ("", *UNSENDABLE)),
    *((f"{where}.access_token", given) for where in (WA, MSG, IG) for given in UNSENDABLE),
    *((f"{WA}.app_secrets.0", given) for given in UNSENDABLE),
    *((f"{SMS}.auth_tokens.0", given) for given in UNSENDABLE),
    *((f"{LINE}.channel_secrets.0", given) for given in UNSENDABLE),
    (f"{LINE}.line_channel_id", "U123"),
    (f"{LINE}.bot_user_id", "123"),
    (f"{LINE}.preview_image_url", "http://x.example/a.png"),
    *((f"{APPLE}.msp_id", given) for given in ("", "msp", SID)),
    *((f"{APPLE}.business_id", given) for given in ("", "urn:biz:", "urn:biz:1")),
    (f"{APPLE}.secrets.0", "c2hvcnQ="),
    *((f"{WA}.{name}", given) for name in ("verify_token", "access_token") for given in ("", "short")),
    (f"{WA}.app_secrets.0", "short"),
    (f"{WA}.app_secrets", []),
    *((f"{WA}.phone_number_id", given) for given in ("", "+15550002222")),
    (f"{WA}.graph_version", "25"),
    (f"{WA}.notice_format", "notice"),
    *((f"{WA}.media_hosts.0", given) for given in ("https://fbcdn.net", "", "*.fbcdn.net")),
    (f"{MSG}.page_id", "acme"),
    (f"{MSG}.app_id", "acme"),
    (f"{MSG}.persona_picture_url", "http://x.example/a.png"),
    (f"{IG}.instagram_id", "@acme"),
    *((f"{OPEN}.deliver_url", given) for given in ("", "server", "ftp://x", "https://u:p@x.example/", "https://x.example/#a")),
    (f"{OPEN}.secrets", []),
    (f"{WEB}.secrets", []),
    *((f"{WEB}.secrets.0", given) for given in ("", "x")),
    (f"{WEB}.identity_secrets", ["thirty-one bytes are too few, 31"[:31]]),
    (f"{WEB}.identity_public_key", "-----BEGIN PUBLIC KEY-----"),
    (f"{WEB}.identity_required", True),
    (f"{WEB}.file_types.0", "png"),
    (f"{WEB}.title", {"English words": "Chat"}),
    (f"{WEB}.accent", "blue"),
    (f"{WEB}.prechat", [{"name": "a", "kind": "select", "label": {"en": "A"}}]),
]  # fmt: skip
# Told of the whole that the setting belongs to.
OF_THE_WHOLE = {f"{WEB}.identity_required": WEB, f"{OPEN}.secrets.0": f"{OPEN}.secrets", f"{APPLE}.secrets.0": f"{APPLE}.secrets"}


def put(raw: dict[str, Any], where: str, given: Any) -> dict[str, Any]:
    """A copy with that setting."""
    made = copy.deepcopy(raw)
    *steps, last = where.split(".")
    at: Any = made
    for step, following in zip(steps, [*steps, last][1:], strict=True):
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, [] if following.isdigit() else {})
    if isinstance(at, list):
        at[int(last) :] = [given]
    else:
        at[last] = given
    return made


def faults_of(raw: dict[str, Any]) -> list[ConfigFault]:
    try:
        config.build(raw)
    except ConfigFaults as faults:
        return list(faults.faults)
    return []


def test_all_of_it_is_sound_as_it_stands() -> None:
    assert faults_of(RAW) == []
    assert config.build(RAW).warnings == ()


@pytest.mark.parametrize(("where", "given"), UNFIT, ids=lambda value: repr(value)[:60])
def test_what_has_not_its_form_is_a_fault_at_its_place(where: str, given: Any) -> None:
    (fault,) = faults_of(put(RAW, where, given))
    place = fault.place.partition(" ")[2]
    wanted = OF_THE_WHOLE.get(where, where)
    assert place == wanted or place.startswith(f"{wanted}.")
    assert fault.fix.endswith((".", "?"))
    assert fault.fix != "Correct it; see config/gateway.example.yaml."


def test_a_short_secret_is_told_beside_another_fault_of_the_same_account() -> None:
    for kind, setting, given in (("sms", "account_sid", "SK" + SID), ("whatsapp", "phone_number_id", "+1")):
        secrets = "auth_tokens" if kind == "sms" else "app_secrets"
        raw = put(put(RAW, f"channels.{kind}.account.{setting}", given), f"channels.{kind}.account.{secrets}", ["x"])
        told = {fault.place.partition(" ")[2] for fault in faults_of(raw)}
        assert told == {f"channels.{kind}.account.{setting}", f"channels.{kind}.account.{secrets}.0"}


CANARY = "canary-5up3r-53cr3t"


@pytest.mark.parametrize("where", sorted({where for where, _ in UNFIT if ".when." not in where}))
def test_what_was_given_is_never_shown(where: str) -> None:
    """A secret that was pasted into the wrong place must not get into a terminal or a log by way of its fault."""
    told = faults_of(put(RAW, where, CANARY)) + faults_of(put(RAW, where, [CANARY])) + faults_of(put(RAW, where, {"x": [CANARY]}))
    assert told
    assert [str(fault) for fault in told if CANARY in str(fault)] == []


def test_a_password_in_an_address_is_not_shown() -> None:
    for where in ("public_url", "api_origins.0", f"{WEB}.allowed_origins.0", f"{LINE}.api_base", f"{OPEN}.deliver_url"):
        (fault,) = faults_of(put(RAW, where, "https://ana:s3cr3t-pw@byoc.example.com"))
        assert "s3cr3t" not in str(fault)
        assert "user or a password" in fault.fault


FIT: list[tuple[str, Any]] = [
    *(("public_url", given) for given in ("https://byoc.example.com:8443", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost")),
    *(("api_origins.0", given) for given in ("https://desk.example.com", "http://localhost:3000", "https://[::1]:8443")),
    *((f"{WEB}.allowed_origins.0", given) for given in ("*", "https://shop.example:8443")),
    *(("listen.host", given) for given in ("::", "0.0.0.0", "::1", "gateway", "fe80::1")),  # noqa: S104
    *((f"{SMS}.number", given) for given in ("+15550002222", "12345", "Acme Ltd", "+441234567")),
    *((f"{TWA}.number", given) for given in ("whatsapp:+15550002222", "+15550002222")),
    (f"{SMS}.messaging_service_sid", f"MG{SID}"),
    (f"{OPEN}.secrets.0", "ein Geheimnis für Größeres"),
    (f"{WEB}.secrets.0", "ein Geheimnis für Größeres"),
    (f"{WA}.verify_token", "ein Geheimnis für Größeres"),
    (f"{LINE}.api_base", "http://simulators:8090/sim/line"),
    (f"{LINE}.api_base", "http://10.0.0.3:8090"),
    (f"{OPEN}.deliver_url", "http://server.internal:9000/hooks?key=1"),
    (f"{APPLE}.business_id", "urn:biz:2b1f6f0e-6a38-5f0c-9a55-7a3d0c1e9b42"),
    ("channels.sms.locale", "zh-Hant-TW"),
    ("channels.sms.notices.*", {"joined": "{name} ist da.", "transferred": "{from}, {to}", "left": None}),
    (f"{ANA}.tokens.0", f"sha256:{SID}{SID}"),
    (f"{WEB}.file_types.0", "application/vnd.openxmlformats-officedocument.*"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "given"), FIT, ids=lambda value: repr(value)[:60])
def test_what_has_its_form_is_none(where: str, given: Any) -> None:
    assert faults_of(put(RAW, where, given)) == []


# ------------------------------------------------------------------------------------------------ every setting

# Texts of any words: names, words for customers and reps, patterns that are checked by other means, what the provider alone knows.
FREE = {
    "account.assertion_key_id",
    "account.identity_audience",
    "account.prechat.options",
    "account.stop_words",
    "account.start_words",
    "channels.kind",
    "channels.org",
    "channels.queue",
    "channels.salesforce.org",
    "nats.credentials_file",
    "oidc.client_id",
    "oidc.org",
    "oidc.org_claim",
    "oidc.scope",
}
CHECKED = {
    "account.identity_public_key",
    "oidc.issuer",
    "oidc.jwks_url",
    "public_url",
    "s3.endpoint",
}  # by a validator of the whole model


def plain_texts(model: type[BaseModel], path: str) -> Iterator[str]:
    """Settings that take any text at all."""
    for name, field in model.model_fields.items():
        if name in ("channel_id", "webhook_url"):
            continue
        here = f"{path}.{name}".removeprefix(".")
        if field.annotation in (str, str | None) and not field.metadata:
            yield here
        if field.annotation in (tuple[str, ...], frozenset[str]) and not field.metadata:
            yield here
        for inner in _models(field.annotation):
            yield from plain_texts(inner, here)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


def test_a_new_setting_has_a_form_or_is_free_on_purpose() -> None:
    """A text that has a form, and no check, would pass: whoever adds one decides here."""
    found = set(plain_texts(config.GatewayConfig, ""))
    for adapter in registry.load().values():
        if adapter.account.__module__.startswith("adapters."):
            found |= set(plain_texts(adapter.account, "account"))
    checked_across = {
        one for one in found if one.startswith("orgs.")
    }  # names that must fit each other: tests/config/test_config.py
    assert found - checked_across - FREE - CHECKED == set()
    assert (FREE | CHECKED) - found == set()


def test_every_secret_is_long_enough_to_be_one() -> None:
    for kind, adapter in registry.load().items():
        if kind not in RAW["channels"]:
            continue
        for name, field in adapter.account.model_fields.items():
            if SecretStr in (field.annotation, *typing.get_args(field.annotation)):
                several = typing.get_origin(field.annotation) is tuple
                where = f"channels.{kind}.account.{name}" + (".0" if several else "")
                told = faults_of(put(RAW, where, "short"))
                assert any(f".{name}" in fault.place or fault.place.endswith("account") for fault in told), where


# --------------------------------------------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    ("where", "given", "warning"),
    [
        ("trusted_proxies", [], "is public, but trusted_proxies is empty"),
        ("public_url", "http://byoc.example.com", "is plain http, and most providers only call https"),
        (f"{ACME}.queues.support.reps", [], "queue 'support' has no reps, so this channel's sessions are offered to nobody"),
    ],
)
def test_a_warning_is_no_fault(where: str, given: Any, warning: str) -> None:
    loaded = config.build(put(RAW, where, given))
    assert {one.fault for one in loaded.warnings} == {warning}
    assert all(one.fix.endswith(".") for one in loaded.warnings)


def test_check_tells_warnings_and_exits_0(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("orgs: {}\npublic_url: https://byoc.example.com\n")
    done = CliRunner().invoke(main, ["check", "--config", str(path)])
    assert done.exit_code == 0
    assert done.output.splitlines()[0].startswith(f"warning: {path}:2 public_url: is public, but trusted_proxies is empty.")


def test_on_this_machine_alone_nothing_is_warned_of_and_tokens_may_be_short() -> None:
    loaded = config.build(
        put(put(RAW, "public_url", "http://127.0.0.1:8080"), f"{ANA}.tokens.0", "demo-ana") | {"trusted_proxies": []}
    )
    assert loaded.warnings == ()


def test_a_channel_may_say_that_its_secrets_are_shorter() -> None:
    class Pin(Account):
        pin: SecretStr = Field(json_schema_extra={"least_bytes": 4})
        key: SecretStr

    account = Pin(pin=SecretStr("1234"), key=SecretStr("1234"))
    assert [fault.place for fault in secret_faults(account, ("a",), Places())] == ["config a.key"]
