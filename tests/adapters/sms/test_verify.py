"""Signatures: Twilio's published example, its own library as the judge, and everything hostile."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from adapters._twilio.signature import urls, verify
from adapters.conformance import NOW
from adapters.contract import RawRequest
from adapters.errors import NotAuthentic
from adapters.sms.account import TwilioAccount
from tests.adapters.sms.account import ACCOUNT

FORM = "application/x-www-form-urlencoded"


def post(url: str, fields: dict[str, str], signature: str, **headers: str) -> RawRequest:
    all_headers = {"content-type": FORM, "x-twilio-signature": signature} | {k.replace("_", "-"): v for k, v in headers.items()}
    return RawRequest("POST", url, "", (), all_headers, urlencode(fields).encode(), NOW)


def account(*tokens: str, **more: object) -> TwilioAccount:
    return ACCOUNT.model_copy(update={"auth_tokens": tuple(map(SecretStr, tokens)), **more})


# Source: Twilio, "Security", "Validating requests": the worked example.
EXAMPLE = post(
    "https://example.com/myapp.php?foo=1&bar=2",
    {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    },
    "L/OH5YylLD5NRKLltdqwSvS0BnU=",
)


def test_twilios_own_example() -> None:
    verify(EXAMPLE, account("12345"), NOW)


def test_utf8_space_and_plus_are_signed_decoded() -> None:
    fields = {
        "MessageSid": "SM00000000000000000000000000000001",
        "AccountSid": "AC00000000000000000000000000000001",
        "From": "+15550001111",
        "To": "+15550002222",
        "Body": "Hola é ☂ +1",
        "NumMedia": "0",
    }
    request = post("https://gw.example.net/byoc/sms/acct1?tenant=7", fields, "oR8G132SqQIltIDurOb1lX2+ylM=")
    verify(request, account("test_auth_token"), NOW)


def json_request(body: bytes) -> RawRequest:
    digest = "aff757c030ae4b24fe1ff352682da744dbb201bfcf84d9ad67319197b6747d2d"
    headers = {"content-type": "application/json", "x-twilio-signature": "otAEHjhVZEQht3WSp0jXgQYhTYI="}
    url = f"https://gw.example.net/byoc/events?bodySHA256={digest}"
    return RawRequest("POST", url, "", (("bodySHA256", digest),), headers, body, NOW)


def test_a_json_body_is_covered_by_its_digest() -> None:
    verify(json_request(b'{"id":"evt-1","ok":true}'), account("test_auth_token"), NOW)


def test_a_json_body_that_the_digest_does_not_cover_is_refused() -> None:
    with pytest.raises(NotAuthentic, match="digest"):
        verify(json_request(b'{"id":"evt-2","ok":true}'), account("test_auth_token"), NOW)


def test_a_json_body_without_a_digest_in_the_address_is_refused() -> None:
    signature = RequestValidator("t").compute_signature("https://gw.example.net/x", {})
    request = replace(json_request(b"{}"), url="https://gw.example.net/x", query=())
    with pytest.raises(NotAuthentic, match="digest"):
        verify(replace(request, headers={**request.headers, "x-twilio-signature": signature}), account("t"), NOW)


@pytest.mark.parametrize("algorithm", ["HMAC_SHA256", "HMAC_SHA1"])
def test_a_shared_key_signs(algorithm: str) -> None:
    url, fields = ACCOUNT.webhook_url, {"Body": "hi"}
    signature = RequestValidator("test_shared_secret").compute_signature(url, fields, algorithm)
    settings = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
    verify(post(url, fields, signature, x_twilio_webhooks_signature_settings=settings), ACCOUNT, NOW)


@pytest.mark.parametrize(
    "settings",
    [
        "key=another,algorithm=HMAC_SHA256",
        "key=webhooks_sharedkey_1,algorithm=HMAC_MD5",
        "algorithm=none",
        "key=☂",
        "key=,algorithm=,,=",
    ],
)
def test_a_shared_key_or_algorithm_that_we_do_not_know_is_refused(settings: str) -> None:
    signature = RequestValidator("test_shared_secret").compute_signature(ACCOUNT.webhook_url, {"Body": "hi"}, "HMAC_SHA256")
    request = post(ACCOUNT.webhook_url, {"Body": "hi"}, signature, x_twilio_webhooks_signature_settings=settings)
    with pytest.raises(NotAuthentic):
        verify(request, ACCOUNT, NOW)


def test_the_auth_token_does_not_stand_in_for_a_shared_key() -> None:
    signature = RequestValidator("test_auth_token").compute_signature(ACCOUNT.webhook_url, {"Body": "hi"}, "HMAC_SHA256")
    settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    with pytest.raises(NotAuthentic):
        verify(post(ACCOUNT.webhook_url, {"Body": "hi"}, signature, x_twilio_webhooks_signature_settings=settings), ACCOUNT, NOW)


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        ("https://gw.example.net/in", "https://gw.example.net:443/in"),
        ("https://gw.example.net:443/in", "https://gw.example.net/in"),
        ("http://gw.example.net/in", "http://gw.example.net:80/in"),
        ("https://gw.example.net:8443/in?a=1", "https://gw.example.net:8443/in?a=1"),
        ("https://gw.example.net:8443/in?a=1", "https://gw.example.net/in?a=1"),
        ("https://gw.example.net/in#rc=5&rp=all", "https://gw.example.net/in"),
        ("https://user:pass@gw.example.net/in", "https://gw.example.net/in"),
        ("https://[2001:db8::1]:8443/in", "https://[2001:db8::1]:8443/in"),
        ("https://gw.example.net/in?x=%20a%2Fb", "https://gw.example.net/in?x=%20a%2Fb"),
    ],
)
def test_signed_with_or_without_the_port(configured: str, signed: str) -> None:
    signature = RequestValidator("t").compute_signature(signed, {"Body": "hi"})
    verify(post(configured, {"Body": "hi"}, signature), account("t"), NOW)


@pytest.mark.parametrize("url", ["https://gw.example.net/in", "http://gw.example.net:8080/in?a=1&b=%20"])
def test_both_forms_of_an_address_are_those_of_twilios_library(url: str) -> None:
    for form in urls(url):
        assert RequestValidator("t").validate(url, {"Body": "hi"}, RequestValidator("t").compute_signature(form, {"Body": "hi"}))


@pytest.mark.parametrize(
    "called",
    ["http://gw.example.net/in", "https://other.example.net/in", "https://gw.example.net/in/", "https://gw.example.net/in?x=1"],
)
def test_signature_behind_a_proxy_names_the_address_that_was_checked(called: str) -> None:
    """Scheme, host, slash or query differ from what Twilio called: the log says which address was checked, and the fix."""
    signature = RequestValidator("t").compute_signature(called, {"Body": "hi"})
    with pytest.raises(NotAuthentic) as refusal:
        verify(post("https://gw.example.net/in", {"Body": "hi"}, signature), account("t"), NOW)
    assert "POST https://gw.example.net/in" in refusal.value.hint
    assert "public address" in refusal.value.hint
    assert refusal.value.status == 403


def test_forwarded_headers_choose_nothing() -> None:
    signature = RequestValidator("t").compute_signature("https://evil.example/in", {"Body": "hi"})
    request = post("https://gw.example.net/in", {"Body": "hi"}, signature, x_forwarded_host="evil.example", host="evil.example")
    with pytest.raises(NotAuthentic):
        verify(request, account("t"), NOW)


def test_rotation_both_tokens_count() -> None:
    for token in ("new", "old"):
        signature = RequestValidator(token).compute_signature(ACCOUNT.webhook_url, {"Body": "hi"})
        verify(post(ACCOUNT.webhook_url, {"Body": "hi"}, signature), account("new", "old"), NOW)


def test_no_token_nothing_is_authentic() -> None:
    with pytest.raises(NotAuthentic, match="no auth token is configured"):
        verify(EXAMPLE, account(), NOW)
    with pytest.raises(NotAuthentic):
        verify(EXAMPLE, account(""), NOW)


def test_white_space_and_empty_values_take_part() -> None:
    fields = {"Body": "  hi \n", "Empty": ""}
    signature = RequestValidator("t").compute_signature(ACCOUNT.webhook_url, fields)
    verify(post(ACCOUNT.webhook_url, fields, signature), account("t"), NOW)
    with pytest.raises(NotAuthentic):
        verify(post(ACCOUNT.webhook_url, {"Body": "hi", "Empty": ""}, signature), account("t"), NOW)
    with pytest.raises(NotAuthentic):
        verify(post(ACCOUNT.webhook_url, {"Body": "  hi \n"}, signature), account("t"), NOW)


def test_a_name_given_twice_is_signed_as_twilios_library_does() -> None:
    class Many(dict[str, list[str]]):
        def getall(self, name: str) -> list[str]:
            return self[name]

    signature = RequestValidator("t").compute_signature(ACCOUNT.webhook_url, Many(a=["2", "1", "1"], B=["x"]))
    request = replace(post(ACCOUNT.webhook_url, {}, signature), body=b"a=2&B=x&a=1&a=1")
    verify(request, account("t"), NOW)


@pytest.mark.parametrize("url", ["https://[::1", "https://gw.example.net:99999999/in", "\udcff", "", "https://gw.example.net:x/"])
def test_an_address_that_is_none_is_not_authentic(url: str) -> None:
    with pytest.raises(NotAuthentic):
        verify(post(url, {"Body": "hi"}, "x"), account("t"), NOW)


@pytest.mark.parametrize("body", [b"&" * 2_000, b"a=" + b"x" * 300_000, b"%" * 140_000])
def test_a_form_longer_than_any_of_twilios_is_refused_at_once(body: bytes) -> None:
    with pytest.raises(NotAuthentic):
        verify(replace(post(ACCOUNT.webhook_url, {}, "x"), body=body), account("t"), NOW)


def test_the_signature_of_a_get_covers_the_query() -> None:
    url = f"{ACCOUNT.webhook_url}?Body=hi&From=%2B15550001111"
    signature = RequestValidator("t").compute_signature(url, {})
    request = RawRequest("GET", url, "", (), {"x-twilio-signature": signature}, b"", NOW)
    verify(request, account("t"), NOW)
    with pytest.raises(NotAuthentic):
        verify(replace(request, url=url + "1"), account("t"), NOW)
