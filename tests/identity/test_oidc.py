"""A company's own sign-in: whose tokens are taken, how keys are renewed, what the desk is told. Real issuer, real keys, real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import html
import json
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from playwright.sync_api import expect, sync_playwright

from gateway import config
from gateway.app import Gateway
from gateway.config import OidcConfig
from gateway.errors import ConfigFaults
from gateway.identity.oidc import Issuer, Key, NotAccepted, Pace, claims_of, keys_of
from tests.browsers import CHROMIUM, QUIET
from tests.company import AUDIENCE, CLIENT, Company, SigningKey, base64url, by_hand, company, ec_key, ed_key, rsa_key
from tests.world import Outside, outside, wait_until

MAIN: Final = rsa_key("main")
OTHER: Final = rsa_key("other")
CURVE: Final = ec_key("curve")
REPS: Final[dict[str, Any]] = {
    "ana": {"name": "Ana", "tokens": ["ana-s-static-token"]},
    "ana@acme.example": {"name": "Ana"},
    "sam": {"name": "Sam", "supervisor": True},
}


def loaded(data_dir: Path, oidc: dict[str, Any]) -> config.Loaded:
    return config.build(
        {
            "listen": {"port": 0},
            "data_dir": str(data_dir),
            "orgs": {"acme": {"reps": REPS}, "globex": {"reps": {"gil": {"name": "Gil"}}}},
            "oidc": oidc,
        }
    )


@dataclass
class Site(Outside):
    """A whole gateway with this sign-in, and what it knows of the issuer."""

    issuer: Issuer


@asynccontextmanager
async def serving(data_dir: Path, oidc: dict[str, Any], pace: Pace | None = None) -> AsyncIterator[Site]:
    """One on a port of its own."""
    gateway = Gateway(loaded(data_dir, oidc))
    assert gateway.issuer is not None
    gateway.issuer.pace = pace or Pace()
    async with gateway.running() as address, outside(address) as client:
        yield Site(address, client.http, gateway.issuer)


async def whose(client: Outside, token: str) -> str | int:
    """The login that this token is good for, or the status that says it isn't."""
    reply = await client.rep("", token).get("/me")
    return str(reply.json["login"]) if reply.status == 200 else reply.status


# ------------------------------------------------------------------------------------------------- whose tokens


@pytest.mark.parametrize("key", [MAIN, CURVE, rsa_key("p", "PS384"), ed_key("ed")], ids=lambda key: key.algorithm)
async def test_a_token_that_the_company_signed_is_its_rep(tmp_path: Path, key: SigningKey) -> None:
    async with company(OTHER, key) as acme:
        wanted = acme.settings(algorithms=["RS256", "ES256", "PS384", "EdDSA"])
        async with serving(tmp_path, wanted) as client:
            reply = await client.rep("", acme.token("sam", key=key)).get("/me")
    assert (reply.status, reply.json["login"], reply.json["org"], reply.json["supervisor"]) == (200, "sam", "acme", True), reply


async def test_static_tokens_go_on_beside_it(tmp_path: Path) -> None:
    async with company(MAIN) as acme, serving(tmp_path, acme.settings()) as client:
        assert await whose(client, "ana-s-static-token") == "ana"
        assert await whose(client, acme.token("ana")) == "ana"
        assert await whose(client, "nobody-s-token") == 401


async def test_the_org_may_stand_in_a_claim(tmp_path: Path) -> None:
    async with company(MAIN) as acme:
        wanted = acme.settings(org=None, org_claim="https://acme.example/org", login_claim="email")
        async with serving(tmp_path, wanted) as client:
            own: dict[str, Any] = {"https://acme.example/org": "acme", "email": "ana@acme.example"}
            assert await whose(client, acme.token(**own)) == "ana@acme.example"
            assert await whose(client, acme.token(**own, email_verified=True)) == "ana@acme.example"
            assert await whose(client, acme.token(**own, email_verified=False)) == 401
            assert await whose(client, acme.token(**{**own, "https://acme.example/org": "globex"})) == 401
            assert await whose(client, acme.token(email="ana@acme.example")) == 401


def hs256(acme: Company, secret: bytes, header: dict[str, Any]) -> str:
    return by_hand({"alg": "HS256", **header}, acme.claims(), lambda signed: hmac.digest(secret, signed, hashlib.sha256))


def pem(key: SigningKey) -> bytes:
    public: bytes = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public


SHARED: Final = b"a secret that the issuer published by mistake"
REFUSED: Final[dict[str, Callable[[Company], str]]] = {
    "for another audience": lambda acme: acme.token(aud="another"),
    "for several others": lambda acme: acme.token(aud=["another", "byoc-2"]),
    "for nobody": lambda acme: acme.token(aud=None),
    "of another issuer": lambda acme: acme.token(iss="https://login.example"),
    "of the issuer with a slash": lambda acme: acme.token(iss=f"{acme.address}/"),
    "of no issuer": lambda acme: acme.token(iss=None),
    "run out": lambda acme: acme.token(exp=int(time.time()) - 3600),
    "without an end": lambda acme: acme.token(exp=None),
    "with a strange end": lambda acme: by_hand({"alg": "RS256", "kid": "main"}, acme.claims(exp="tomorrow"), signed_by(MAIN)),
    "without end by infinity": lambda acme: by_hand({"alg": "RS256", "kid": "main"}, acme.claims(exp=math.inf), signed_by(MAIN)),
    "not valid yet": lambda acme: acme.token(nbf=int(time.time()) + 3600),
    "of nobody's login": lambda acme: acme.token("nobody"),
    "of another org's rep": lambda acme: acme.token("gil"),
    "without a login": lambda acme: acme.token(preferred_username=None),
    "with a list as login": lambda acme: acme.token(preferred_username=["ana"]),
    "with other capitals": lambda acme: acme.token("Ana"),
    "unsigned": lambda acme: by_hand({"alg": "none"}, acme.claims(), lambda _: b""),
    "unsigned in capitals": lambda acme: by_hand({"alg": "NONE", "kid": "main"}, acme.claims(), lambda _: b""),
    "signed by the public key as a secret": lambda acme: hs256(acme, pem(MAIN), {"kid": "main"}),
    "signed by a published secret": lambda acme: hs256(acme, SHARED, {"kid": "shared"}),
    "signed by another key of that id": lambda acme: acme.token(key=SigningKey("main", "RS256", OTHER.private)),
    "signed by a key of its own": lambda acme: acme.token(key=OTHER, header={"jwk": OTHER.jwk}),
    "signed by a key that it names": lambda acme: acme.token(key=OTHER, header={"jku": f"{acme.address}/keys", "kid": "other"}),
    "signed by an algorithm that the config leaves out": lambda acme: acme.token(key=SigningKey("main", "RS512", MAIN.private)),
    "demanding what we don't know": lambda acme: acme.token(header={"crit": ["exp"]}),
    "for logging out": lambda acme: acme.token(header={"typ": "logout+jwt"}),
    "changed": lambda acme: swapped_claims(acme.token("ana"), acme.claims("sam")),
    "without a signature": lambda acme: acme.token().rpartition(".")[0] + ".",
    "no token at all": lambda acme: "a.b.c",
    "a very deep header": lambda acme: f"{base64url(b'[' * 3000)}.e30.AA",
}


def signed_by(key: SigningKey) -> Callable[[bytes], bytes]:
    return lambda signed: bytes(key.private.sign(signed, padding.PKCS1v15(), hashes.SHA256()))


def swapped_claims(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{base64url(json.dumps(claims).encode())}.{signature}"


@pytest.mark.parametrize("name", REFUSED)
async def test_any_other_token_is_nobody_s(tmp_path: Path, name: str) -> None:
    async with company(MAIN) as acme:
        acme.more_keys.append({"kty": "oct", "kid": "shared", "k": base64url(SHARED), "alg": "HS256"})
        async with serving(tmp_path, acme.settings()) as client:
            assert await whose(client, acme.token("ana")) == "ana"
            reply = await client.rep("", REFUSED[name](acme)).get("/me")
    assert (reply.status, reply.json["code"]) == (401, "unauthenticated")


NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES: Final = OidcConfig(issuer="https://login.acme.example", audience=AUDIENCE, org="acme")
KEYS: Final = keys_of({"keys": [MAIN.jwk, CURVE.jwk]}, RULES.algorithms)


def token_at(exp: float, nbf: float | None = None) -> str:
    acme = Company([MAIN], address=RULES.issuer)
    return acme.token(exp=NOW.timestamp() + exp, nbf=None if nbf is None else NOW.timestamp() + nbf)


@pytest.mark.parametrize(("exp", "nbf"), [(1, None), (-29, None), (60, 0), (60, 29)])
def test_clocks_may_differ_by_half_a_minute(exp: float, nbf: float | None) -> None:
    assert claims_of(token_at(exp, nbf), KEYS, RULES, NOW)["preferred_username"] == "ana"


@pytest.mark.parametrize(("exp", "nbf"), [(-30, None), (60, 31)])
def test_but_not_by_more(exp: float, nbf: float | None) -> None:
    with pytest.raises(NotAccepted):
        claims_of(token_at(exp, nbf), KEYS, RULES, NOW)


def test_without_a_key_s_name_the_only_fitting_key_is_meant() -> None:
    acme = Company([MAIN], address=RULES.issuer)
    token = by_hand({"alg": "RS256"}, acme.claims(exp=NOW.timestamp() + 60), signed_by(MAIN))
    assert claims_of(token, KEYS, RULES, NOW)["sub"] == "id-of-ana"
    with pytest.raises(NotAccepted, match="no key for it"):
        claims_of(token, keys_of({"keys": [MAIN.jwk, OTHER.jwk]}, RULES.algorithms), RULES, NOW)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
_HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk"]), _JSON | st.sampled_from(["RS256", "main", "none"])
)


@given(st.text() | st.builds(lambda h, c, s: by_hand(h, c, lambda _: s), _HEADERS, _JSON, st.binary()))
def test_whatever_comes_ends_in_one_error(token: str) -> None:
    with pytest.raises(NotAccepted):
        claims_of(token, KEYS, RULES, NOW)


@settings(max_examples=30)  # each is signed
@given(st.dictionaries(st.text(), _JSON, max_size=3), _JSON)
def test_strange_claims_end_in_that_error_too(claims: dict[str, Any], exp: Any) -> None:
    sound = {"iss": RULES.issuer, "aud": AUDIENCE, "exp": exp}
    token = by_hand({"alg": "RS256", "kid": "main"}, {**claims, **sound}, signed_by(MAIN))
    try:
        claims_of(token, KEYS, RULES, NOW)
    except NotAccepted:
        return
    assert exp > NOW.timestamp() - 30


# ---------------------------------------------------------------------------------------------------- which keys

WEAK: Final = SigningKey("weak", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - that is what is refused
PASSED_OVER: Final[dict[str, Any]] = {
    "a shared secret": {"kty": "oct", "kid": "x", "k": "AAAA"},
    "a shared secret that says RS256": {"kty": "oct", "kid": "x", "k": "AAAA", "alg": "RS256"},
    "for encrypting": {**MAIN.jwk, "use": "enc"},
    "for an algorithm that the config leaves out": {**MAIN.jwk, "alg": "RS512"},
    "for encrypting, by its algorithm": {**MAIN.jwk, "alg": "RSA-OAEP"},
    "of an unknown type": {"kty": "AKP", "kid": "x", "pub": "AAAA"},
    "of an unknown curve": {**CURVE.jwk, "crv": "secp256k1"},
    "off the curve": {**CURVE.jwk, "x": CURVE.jwk["y"]},
    "too short": WEAK.jwk,
    "broken": {**MAIN.jwk, "n": "!"},
    "with numbers for names": {**MAIN.jwk, "kty": 7},
    "with a list for a curve": {**MAIN.jwk, "crv": []},
    "no key": "key",
}


@pytest.mark.parametrize("name", PASSED_OVER)
def test_a_key_that_doesn_t_fit_is_passed_over(name: str) -> None:
    found = keys_of({"keys": [PASSED_OVER[name], CURVE.jwk]}, ["RS256", "ES256"])
    assert [(key.id, key.algorithms) for key in found] == [("curve", frozenset({"ES256"}))]


@pytest.mark.parametrize("document", [None, [], {"keys": {}}, {"keys": None}, "keys"])
def test_a_set_that_is_none_has_no_keys(document: object) -> None:
    assert keys_of(document, ["RS256"]) == ()


def test_a_private_part_that_was_published_stays_out() -> None:
    whole = {**RSAAlgorithm.to_jwk(MAIN.private, as_dict=True), "kid": "main"}
    assert "d" in whole
    (key,) = keys_of({"keys": [whole]}, ["RS256"])
    assert isinstance(key, Key)
    assert isinstance(key.public, rsa.RSAPublicKey)


# ----------------------------------------------------------------------------------------------- keys are renewed


async def test_a_new_key_is_fetched_when_a_token_names_it_and_an_old_one_forgotten(tmp_path: Path) -> None:
    async with company(MAIN) as acme, serving(tmp_path, acme.settings(), Pace(again=0.05)) as client:
        old = acme.token("ana")
        acme.keys = [OTHER]
        new = acme.token("sam")
        assert await whose(client, old) == "ana"
        assert await whose(client, new) == 401
        await wait_until(lambda: is_whose(client, new, "sam"))
        assert await whose(client, old) == 401


async def is_whose(client: Outside, token: str, login: str | int) -> bool:
    return await whose(client, token) == login


async def test_unknown_keys_don_t_make_us_ask_more_often_than_at_the_pace(tmp_path: Path) -> None:
    async with company(MAIN) as acme, serving(tmp_path, acme.settings(), Pace(again=3600)) as client:
        for number in range(20):
            stranger = SigningKey(f"stranger-{number}", "RS256", OTHER.private)
            assert await whose(client, acme.token(key=stranger)) == 401
            assert await whose(client, acme.token()) == "ana"
        assert acme.asked["/keys"] == 1


async def test_keys_are_fetched_anew_from_time_to_time(tmp_path: Path) -> None:
    async with company(MAIN) as acme, serving(tmp_path, acme.settings(), Pace(fresh=0.05)) as client:
        old = acme.token()
        assert await whose(client, old) == "ana"
        acme.keys = [OTHER]
        await wait_until(lambda: is_whose(client, old, 401))


async def test_while_the_issuer_is_away_we_are_not_ready_and_static_tokens_go_on(tmp_path: Path) -> None:
    async with company(MAIN) as acme:
        acme.away = True
        async with serving(tmp_path, acme.settings()) as client:
            not_ready = await client.call("GET", "/readyz")
            assert not_ready.status == 503
            assert not_ready.json["details"] == {
                "oidc": "the issuer's keys are not available: its discovery document can't be read: HTTP 503"
            }
            assert await whose(client, "ana-s-static-token") == "ana"
            assert await whose(client, acme.token()) == 401
            acme.away = False
            await wait_until(lambda: is_ready(client), what="ready once the issuer is back")
            assert await whose(client, acme.token()) == "ana"


async def is_ready(client: Outside) -> bool:
    return (await client.call("GET", "/readyz")).status == 200


async def test_nobody_there_at_all_is_told_too(tmp_path: Path) -> None:
    async with company(MAIN) as acme:
        wanted = acme.settings()
    async with serving(tmp_path, wanted) as client:
        assert "its discovery document can't be read" in (await client.call("GET", "/readyz")).json["details"]["oidc"]


async def test_known_keys_last_while_the_issuer_is_away_and_in_the_end_we_are_not_ready(tmp_path: Path) -> None:
    async with company(MAIN) as acme, serving(tmp_path, acme.settings(), Pace(fresh=0.02, again=0.02)) as client:
        acme.away = True
        tried = acme.asked.total()
        await wait_until(lambda: acme.asked.total() > tried + 2, what="the issuer asked in vain")
        assert await whose(client, acme.token()) == "ana"
        assert await is_ready(client)
        client.issuer.pace = Pace(stale=0)
        assert "HTTP 503" in (await client.call("GET", "/readyz")).json["details"]["oidc"]


TROUBLE: Final[dict[str, tuple[Callable[[Company], None], str]]] = {
    "another name": (lambda acme: setattr(acme, "called", "https://login.example"), "it calls itself 'https://login.example'"),
    "no fitting key": (lambda acme: acme.keys.__setitem__(0, ed_key("ed")), "it has no key for RS256, ES256"),
}


@pytest.mark.parametrize("name", TROUBLE)
async def test_what_is_wrong_with_the_issuer_is_told(tmp_path: Path, name: str) -> None:
    spoil, told = TROUBLE[name]
    async with company(MAIN) as acme:
        spoil(acme)
        async with serving(tmp_path, acme.settings()) as client:
            assert told in (await client.call("GET", "/readyz")).json["details"]["oidc"]
            assert await whose(client, acme.token()) == 401


async def test_with_an_address_of_keys_the_issuer_is_not_asked_for_it(tmp_path: Path) -> None:
    async with company(MAIN) as acme:
        wanted = acme.settings(jwks_url=f"{acme.address}/keys", issuer="https://login.acme.example")
        async with serving(tmp_path, wanted) as client:
            assert await whose(client, acme.token(iss="https://login.acme.example")) == "ana"
        assert set(acme.asked) == {"/keys"}


# ------------------------------------------------------------------------------------------------------- the desk


async def told_to_the_desk(client: Outside) -> tuple[dict[str, Any] | None, str]:
    """(what the desk's page is told of the sign-in, where it may call)."""
    page = await client.call("GET", "/desk")
    text = page.body.decode()
    told = json.loads(html.unescape(text.partition('name="byoc-settings" content="')[2].partition('"')[0]))
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    return told["oidc"], policy["connect-src"]


async def test_the_desk_is_told_where_to_sign_in(tmp_path: Path) -> None:
    async with company(MAIN) as acme:
        wanted = acme.settings(client_id=CLIENT, scope="openid", sign_in_params={"audience": "https://byoc.example/api"})
        async with serving(tmp_path, wanted) as client:
            assert await told_to_the_desk(client) == (
                {
                    "authorization_endpoint": f"{acme.address}/authorize?audience=https%3A%2F%2Fbyoc.example%2Fapi",
                    "token_endpoint": f"{acme.address}/token",
                    "client_id": CLIENT,
                    "scope": "openid",
                    "name": "Acme",
                },
                f"'self' {acme.address}",
            )


async def test_without_a_client_the_desk_has_no_button(tmp_path: Path) -> None:
    async with company(MAIN) as acme, serving(tmp_path, acme.settings()) as client:
        assert await told_to_the_desk(client) == (None, "'self'")


async def test_the_desk_knows_where_after_a_start_while_the_issuer_is_away(tmp_path: Path) -> None:
    async with company(MAIN) as acme:
        wanted = acme.settings(client_id=CLIENT)
        async with serving(tmp_path, wanted) as client:
            before = await told_to_the_desk(client)
        acme.away = True
        async with serving(tmp_path, wanted) as client:
            assert await told_to_the_desk(client) == before
            assert not await is_ready(client)
        async with serving(tmp_path, {**wanted, "issuer": f"{acme.address}/other"}) as client:
            assert (await told_to_the_desk(client))[0] is None  # what is kept is another issuer's


async def test_a_broken_memory_is_none(tmp_path: Path) -> None:
    (tmp_path / "oidc.json").write_text("{")
    async with company(MAIN) as acme:
        acme.away = True
        async with serving(tmp_path, acme.settings(client_id=CLIENT)) as client:
            assert (await told_to_the_desk(client))[0] is None


@contextmanager
def in_a_thread(data_dir: Path) -> Iterator[tuple[str, str]]:
    """A gateway and its issuer on a loop of their own: (the gateway's address, the issuer's)."""
    up, stop = threading.Event(), asyncio.Event()
    told: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with company(MAIN) as acme:
            wanted = acme.settings(client_id=CLIENT, sign_in_params={"audience": AUDIENCE})
            async with serving(data_dir, wanted) as client:
                told.extend((client.address, acme.address))
                up.set()
                await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert up.wait(20), "the gateway is not up"
        yield told[0], told[1]
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(30)


@pytest.mark.browser
def test_a_rep_signs_in_by_the_company_s_page(tmp_path: Path) -> None:
    with in_a_thread(tmp_path) as (address, issuer), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page()
        gone_to: list[str] = []
        page.on("framenavigated", lambda frame: gone_to.append(frame.url))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/desk")
        page.get_by_role("button", name="Sign in with Acme").click()
        expect(page.get_by_label("My presence")).to_be_visible(timeout=15_000)
        assert any(url.startswith(f"{issuer}/authorize?audience=byoc&response_type=code&client_id=desk") for url in asked)
        assert f"{issuer}/token" in asked
        assert "code=" not in page.url
        expect(page).to_have_title("Desk – Ana")
        browser.close()


# ------------------------------------------------------------------------------------------------------ the config

FAULTS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no org": ({"org": None}, "needs either `org` or `org_claim`"),
    "two orgs": ({"org_claim": "org"}, "needs either `org` or `org_claim`"),
    "an org that isn't": ({"org": "initech"}, "there is no org 'initech'. Use one of: acme, globex."),
    "a shared secret": ({"algorithms": ["HS256"]}, "oidc.algorithms.0"),
    "no signature": ({"algorithms": ["none"]}, "oidc.algorithms.0"),
    "no algorithm": ({"algorithms": []}, "oidc.algorithms"),
    "an issuer in the clear": ({"issuer": "http://login.acme.example"}, "is not an https URL"),
    "keys in the clear": ({"jwks_url": "http://login.acme.example/keys"}, "is not an https URL"),
    "an address with more than one thing in it": ({"jwks_url": "https://login.acme.example;script-src *"}, "is not an https URL"),
    "a misspelt setting": ({"audiance": "x"}, "Did you mean `audience`?"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_its_settings_is_told(tmp_path: Path, name: str) -> None:
    given_, told = FAULTS[name]
    with pytest.raises(ConfigFaults, match="oidc") as caught:
        loaded(tmp_path, {**Company([], "https://login.acme.example").settings(), **given_})
    assert told in str(caught.value)
