"""`byoc salesforce setup`: the plan, the project's files, the key and its certificate."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509

from gateway import config
from gateway.brokers.salesforce.setting_up import keys
from gateway.brokers.salesforce.setting_up.plan import NoPlan, Plan, plan_of
from gateway.brokers.salesforce.setting_up.project import SCOPES, files
from gateway.cli import main
from gateway.config import GatewayConfig
from tests.config.keys import PEM
from tests.config.test_salesforce import RAW, put

NS = "{http://soap.sforce.com/2006/04/metadata}"
UK = "channels.sms-uk.salesforce"
# One channel of each product: Salesforce routes the German one, the gateway the British one.
BOTH = put(
    UK,
    RAW["channels"]["sms-uk"]["salesforce"]
    | {"product": "ccaas", "routing": "partner", "consent": "partner", "definition": "Byoc_Uk", "receipts": False},
)


def built(raw: dict[str, Any]) -> GatewayConfig:
    return config.build(raw).config


def plan(raw: dict[str, Any] = BOTH, channel: str | None = None) -> Plan:
    return plan_of(built(raw), "production", channel)


def elements(text: str) -> dict[str, str]:
    return {one.tag.removeprefix(NS): one.text or "" for one in ElementTree.fromstring(text.encode())}  # noqa: S314 - our own file


# ------------------------------------------------------------------------------------------------------------------- plan


def test_each_product_gets_its_vendor_and_each_channel_its_definition() -> None:
    made = plan()
    assert [(one.name, one.vendor_type) for one in made.vendors] == [
        ("Byoc_Messaging", "BringYourOwnChannelPartner"),
        ("Byoc_Contact_Center", "BringYourOwnContactCenter"),
    ]
    assert [one.connector for one in made.vendors] == [None, "http://127.0.0.1:8080/salesforce/connector"]
    german, british = made.definitions
    assert german.fields["routingOwner"] == german.fields["consentOwner"] == "Salesforce"
    assert british.fields["routingOwner"] == british.fields["consentOwner"] == "Partner"
    assert british.fields["isRoutingWorkResultSupported"] is True
    assert british.fields["isInboundAcknwOptionExposed"] is False
    assert german.fields["isConferenceSupported"] is british.fields["isConferenceSupported"] is True
    assert "maxParticipantsForCnfrOverride" not in german.fields


def test_a_channel_by_itself() -> None:
    made = plan(channel="sms-uk")
    assert [one.name for one in made.definitions] == ["Byoc_Uk"]
    assert [one.name for one in made.vendors] == ["Byoc_Contact_Center"]


def test_a_limit_of_participants_is_written() -> None:
    made = plan(put("channels.sms-uk.max_conference_participants", 4, BOTH))
    assert made.definitions[1].fields["maxParticipantsForCnfrOverride"] == 4


def test_older_versions_get_no_field_that_they_lack() -> None:
    made = plan(put("salesforce.production.api_version", "63.0", BOTH))
    assert not [name for one in made.definitions for name in one.fields if name.startswith(("is", "max"))]


def test_an_event_of_a_package_is_not_created() -> None:
    raw = put("salesforce.production.event", "partner__Message__e", BOTH)
    raw = put("salesforce.production.event_type_field", "partner__EventType__c", raw)
    made = plan(put("salesforce.production.event_payload_field", "partner__Payload__c", raw))
    written = files(made, None)
    assert not [path for path in written if "/objects/" in path]
    definition = next(text for path, text in written.items() if "Byoc_Uk" in path)
    assert elements(definition)["customPlatformEvent"] == "partner__Message__e"
    assert elements(definition)["customEventPayloadField"] == "partner__Message__e.partner__Payload__c"
    assert "Install the package with the namespace `partner`" in written["README.md"]


@pytest.mark.parametrize(
    ("raw", "channel", "told"),
    [
        (put("channels.sms-uk.salesforce.definition", "Other_Uk", BOTH), None, "need one prefix, that of its app; these have Byoc, Other"),
        (put("channels.sms-uk.salesforce.definition", "Uk", BOTH), None, "needs a name of the form PREFIX_NAME"),
        (put("channels.sms-uk.salesforce.definition", "Byoc_Sms", BOTH), None, "share the definition 'Byoc_Sms' and differ"),
        (BOTH, "sms-fr", "no channel 'sms-fr' has `salesforce.org: production` (it is the org of: sms-de, sms-uk)"),
    ],
)  # fmt: skip
def test_what_can_not_be_planned(raw: dict[str, Any], channel: str | None, told: str) -> None:
    with pytest.raises(NoPlan) as caught:
        plan(raw, channel)
    assert told in str(caught.value)


def test_an_unknown_org_and_one_without_channels() -> None:
    with pytest.raises(NoPlan, match="has no Salesforce org 'sandbox'"):
        plan_of(built(BOTH), "sandbox")
    raw = put("salesforce.sandbox", RAW["salesforce"]["production"], BOTH)
    with pytest.raises(NoPlan, match="no channel has"):
        plan_of(built(raw), "sandbox")


# ---------------------------------------------------------------------------------------------------------------- project


def test_every_file_is_sound_and_in_the_manifest() -> None:
    written = files(plan(), b"-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n")
    manifest = ElementTree.fromstring(written["manifest/package.xml"].encode())  # noqa: S314
    listed = {
        (kind.findtext(f"{NS}name"), member.text)
        for kind in manifest.findall(f"{NS}types")
        for member in kind.findall(f"{NS}members")
    }
    found = set()
    for path, text in written.items():
        if not path.startswith("force-app"):
            continue
        root = ElementTree.fromstring(text.encode())  # noqa: S314
        children = [one.tag for one in root]
        if not path.endswith(".field-meta.xml"):
            assert children == sorted(children), path  # the Metadata API's order
            found.add((root.tag.removeprefix(NS), path.rpartition("/")[2].split(".")[0]))
    assert found == listed
    assert json.loads(written["sfdx-project.json"])["sourceApiVersion"] == "66.0"


def test_the_app_signs_in_by_jwt_and_lets_in_only_who_has_the_permission_set() -> None:
    written = files(plan(), b"-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n")
    oauth = next(elements(text) for path, text in written.items() if path.endswith(".ecaGlblOauth-meta.xml"))
    assert oauth["certificate"] == "AAAABBBB"
    settings = next(elements(text) for path, text in written.items() if path.endswith(".ecaOauth-meta.xml"))
    assert settings["commaSeparatedOauthScopes"] == SCOPES
    policies = next(elements(text) for path, text in written.items() if path.endswith(".ecaOauthPlcy-meta.xml"))
    assert policies["permittedUsersPolicyType"] == "AdminApprovedPreAuthorized"
    assert policies["commaSeparatedPermissionSet"] == "Byoc_Gateway"


def test_the_permission_set_only_reads_the_event() -> None:
    text = next(text for path, text in files(plan(), None).items() if path.endswith(".permissionset-meta.xml"))
    root = ElementTree.fromstring(text.encode())  # noqa: S314
    (permissions,) = root.findall(f"{NS}objectPermissions")
    granted = {one.tag.removeprefix(NS) for one in permissions if one.text == "true"}
    assert granted == {"allowRead"}
    assert permissions.findtext(f"{NS}object") == "Byoc_Message__e"
    assert [one.findtext(f"{NS}name") for one in root.findall(f"{NS}userPermissions")] == ["ApiEnabled"]


def test_the_readme_names_what_no_file_can_do() -> None:
    text = files(plan(), b"x")["README.md"]
    for words in (
        "sfdc_scrt2",
        "channels.sms-de.salesforce.address",
        "channels.sms-uk.salesforce.address",
        "Contact Center",
        "consumer_key",
    ):
        assert words in text
    assert "upload the certificate" not in text
    assert "upload the certificate" in files(plan(), None)["README.md"]


# ------------------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The config of both channels, with its key in a file."""
    (tmp_path / "key.pem").write_bytes(PEM)
    raw = put("salesforce.production.private_keys", [f"file:{tmp_path}/key.pem"], BOTH)
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["salesforce", "setup", *map(str, arguments)])


def test_the_command_writes_the_project_once(config_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    first = run("--config", config_file, "--org", "production", "--out", folder)
    assert first.exit_code == 0, first.output
    assert f"written  {folder}/sfdx-project.json" in first.output
    certificate = (folder / "certificate.crt").read_bytes()
    assert keys.key_of(PEM).public_key() == x509.load_pem_x509_certificate(certificate).public_key()
    again = run("--config", config_file, "--org", "production", "--out", folder)
    assert "written" not in again.output
    assert "file(s) unchanged" in again.output
    assert (folder / "certificate.crt").read_bytes() == certificate


def test_no_file_holds_the_private_key(config_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shown = run("--config", config_file, "--org", "production", "--out", folder).output
    shown += "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "PRIVATE KEY" not in shown
    assert not any(line in shown for line in PEM.decode().splitlines()[1:-1])


def test_a_new_key_is_written_before_the_config_is_read(config_file: Path, tmp_path: Path) -> None:
    """So that a config may name a key that doesn't exist yet."""
    (tmp_path / "key.pem").unlink()
    made = run("--config", config_file, "--org", "production", "--out", tmp_path / "project", "--new-key", tmp_path / "key.pem")
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    key = keys.key_of((tmp_path / "key.pem").read_bytes())
    assert key.key_size == 3072
    certificate = x509.load_pem_x509_certificate((tmp_path / "project" / "certificate.crt").read_bytes())
    assert key.public_key() == certificate.public_key()


def test_a_key_is_never_overwritten(config_file: Path, tmp_path: Path) -> None:
    made = run("--config", config_file, "--org", "production", "--new-key", tmp_path / "key.pem")
    assert made.exit_code == 1
    assert "exists already" in made.output
    assert (tmp_path / "key.pem").read_bytes() == PEM


def test_what_is_no_token_is_not_sent(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESFORCE_ADMIN_TOKEN", "Access Token  00Dcanary")
    made = run("--config", config_file, "--org", "production", "--diff")
    assert (made.exit_code, "canary" in made.output) == (2, False)
    assert "that is not an access token" in made.output


@pytest.mark.parametrize("options", [("--diff", "--apply"), ("--apply", "--new-key", "x.pem")])
def test_options_that_exclude_each_other(options: tuple[str, ...], config_file: Path) -> None:
    assert run("--config", config_file, "--org", "production", *options).exit_code == 2
