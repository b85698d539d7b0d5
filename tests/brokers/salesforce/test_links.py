"""Which files of reps are fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import registry
from gateway.brokers.salesforce.events import File, Said
from gateway.brokers.salesforce.links import allowed_file, shows_strange_link
from gateway.config.salesforce import SalesforceOrg
from tests.brokers.salesforce.mapped import an_org

ORG = an_org()
SANDBOX = an_org(
    instance_url="https://acme--uat.sandbox.my.salesforce.com",
    scrt_url="https://acme--uat.sandbox.my.salesforce-scrt.com",
    login_url="https://test.salesforce.com",
)
NAMED = an_org(file_hosts=["*.cdn.example", "files.example"])
LOCAL = an_org(
    login_url="http://127.0.0.1:8080/org", instance_url="http://127.0.0.1:8080/org", scrt_url="http://127.0.0.1:8080/org"
)

CASES = [
    (ORG, "https://acme.my.salesforce.com/sfc/x", True),
    (ORG, "https://acme.my.salesforce-scrt.com/x", True),
    (ORG, "https://acme.file.force.com/sfc/dist/version/download/?oid=1", True),
    (ORG, "https://ACME.file.force.com/x", True),
    (ORG, "https://acme--c.documentforce.com/x", True),
    (ORG, "https://acme.my.salesforce.com:443/x", True),
    (ORG, "https://other.file.force.com/x", False),
    (ORG, "https://acme--uat.sandbox.file.force.com/x", False),
    (ORG, "https://acme.file.force.com.evil.example/x", False),
    (ORG, "https://evil.example/acme.file.force.com", False),
    (ORG, "https://evilacme.file.force.com/x", False),
    (ORG, "https://x.acme.file.force.com/x", False),
    (ORG, "https://acme.my.salesforce.com@evil.example/x", False),
    (ORG, "https://u:p@acme.my.salesforce.com/x", False),
    (ORG, "https://evil.example\\@acme.my.salesforce.com/x", False),
    (ORG, "https://acme.my.salesforce.com:8443/x", False),
    (ORG, "https://acme.my.salesforce.com:x/x", False),
    (ORG, "http://acme.my.salesforce.com/x", False),
    (ORG, "ftp://acme.my.salesforce.com/x", False),
    (ORG, "//acme.my.salesforce.com/x", False),
    (ORG, "/x", False),
    (ORG, "", False),
    (ORG, "https://[::1", False),
    (ORG, "https://acme.my.salesforce.com/a\nb", False),
    (ORG, "http://127.0.0.1:8080/org/x", False),
    (SANDBOX, "https://acme--uat.sandbox.file.force.com/x", True),
    (SANDBOX, "https://acme.file.force.com/x", False),
    (SANDBOX, "https://acme--uat.file.force.com/x", False),
    (SANDBOX, "https://acme--uat--c.documentforce.com/x", True),
    (SANDBOX, "https://acme--uat.sandbox.content.force.com/x", True),
    (ORG, "https://acme.demo.file.force.com/x", False),
    (ORG, "https://acme.demo.documentforce.com/x", False),
    (ORG, "https://.file.force.com/x", False),
    (ORG, "https://acme.file.force.com./x", False),
    (ORG, "https://acm\u0435.file.force.com/x", False),
    (ORG, "https://acme.file.force\u3002com/x", False),
    (NAMED, "https://files.example/x", True),
    (NAMED, "https://files.example./x", False),
    (NAMED, "https://[::ffff:127.0.0.1]/x", False),
    (NAMED, "https://a.b.cdn.example/x", True),
    (NAMED, "https://cdn.example/x", False),
    (NAMED, "https://evilcdn.example/x", False),
    (NAMED, "https://x.files.example/x", False),
    (LOCAL, "http://127.0.0.1:8080/org/files/1", True),
    (LOCAL, "http://127.0.0.1:8081/org/files/1", False),
    (LOCAL, "https://127.0.0.1:8080/x", False),
    (LOCAL, "http://127.0.0.1/x", False),
    (LOCAL, "https://acme.file.force.com/x", False),
]


@pytest.mark.parametrize(("org", "url", "allowed"), CASES)
def test_a_file(org: SalesforceOrg, url: str, allowed: bool) -> None:
    assert allowed_file(url, org) is allowed


@pytest.mark.parametrize(
    ("urls", "files", "strange"),
    [
        (["https://acme.file.force.com/x"], False, False),
        (["https://acme.file.force.com/x", "https://evil.example/x"], False, True),
        (["https://evil.example/x"], True, False),
        ([], False, False),
    ],
)
def test_an_address_that_is_not_allowed_is_no_link_either(urls: list[str], files: bool, strange: bool) -> None:
    carries = registry.load()["whatsapp"].capabilities
    said = Said(files=tuple(File(name="a.pdf", url=url) for url in urls))
    assert shows_strange_link(said, carries if files else carries.model_copy(update={"files": ()}), ORG) is strange


@given(st.text() | st.text().map(lambda tail: f"https://acme.my.salesforce.com{tail}"))
def test_any_text_is_judged(url: str) -> None:
    if allowed_file(url, ORG):
        assert url.lower().startswith(("https://acme.my.salesforce.com", "https://acme.file.force.com"))
