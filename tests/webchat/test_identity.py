"""Who a visitor is: tokens that are bound, run out and are given up; identities that the company's site proves."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.webchat import tokens
from tests.adapters.webchat.account import NOW, an_account
from tests.webchat.conftest import NewWorld
from tests.webchat.world import DOWN, Browser, World

SITE_KEY = "site-identity-key-of-32-bytes-or-more"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
ACCOUNT = an_account(identity_secrets=[SITE_KEY], identity_public_key=PUBLIC)


def proof(now: datetime = NOW, key: Any = SITE_KEY, algorithm: str = "HS256", **claims: Any) -> str:
    """An identity token of the company's site; a claim that is None is left out."""
    given = {"sub": "user-42", "aud": "web1", "exp": now + timedelta(minutes=30), "name": "Lea Paz", **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key, algorithm)


def test_our_own_tokens_are_bound_to_channel_and_time() -> None:
    token, expires = tokens.issue(ACCOUNT, "v_kim", 3, NOW)
    bearer = tokens.read(ACCOUNT, token, NOW)
    assert (bearer.visitor_id, bearer.generation, bearer.expires_at) == ("v_kim", 3, expires)
    with pytest.raises(tokens.NotProven, match="has expired"):
        tokens.read(ACCOUNT, token, NOW + timedelta(days=30))
    with pytest.raises(tokens.NotProven, match="another channel"):
        tokens.read(an_account(channel_id="web2"), token, NOW)
    with pytest.raises(tokens.NotProven):
        tokens.read(an_account(secrets=["another-secret-0123456789"]), token, NOW)


def test_the_old_secrets_tokens_are_good_while_it_is_listed() -> None:
    token, _ = tokens.issue(ACCOUNT, "v_kim", 0, NOW)
    rotated = an_account(secrets=["a-newer-secret-0123456789", "webchat-test-secret-0123456789"])
    assert tokens.read(rotated, token, NOW).visitor_id == "v_kim"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "☂", "\udcff", "e30.e30.", "x" * 100_000, "null"])
def test_hostile_tokens_are_nobodys(token: str) -> None:
    with pytest.raises(tokens.NotProven):
        tokens.read(ACCOUNT, token, NOW)
    with pytest.raises(tokens.NotProven):
        tokens.prove(ACCOUNT, token, NOW)


def test_a_visitors_token_proves_no_identity_nor_the_other_way_round() -> None:
    token, _ = tokens.issue(ACCOUNT, "v_kim", 0, NOW)
    with pytest.raises(tokens.NotProven):
        tokens.prove(ACCOUNT, token, NOW)
    with pytest.raises(tokens.NotProven):
        tokens.read(ACCOUNT, proof(), NOW)


@pytest.mark.parametrize(("key", "algorithm"), [(SITE_KEY, "HS256"), (PRIVATE, "RS256")])
def test_both_ways_to_sign_an_identity(key: Any, algorithm: str) -> None:
    identity = tokens.prove(ACCOUNT, proof(key=key, algorithm=algorithm), NOW)
    assert (identity.subject, identity.profile) == ("user-42", {"name": "Lea Paz"})


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - timedelta(seconds=1)}, "has expired"),
        ({"exp": NOW + timedelta(hours=2)}, "more than an hour"),
        ({"exp": None}, "MissingRequiredClaim"),
        ({"exp": "soon"}, "."),
        ({"exp": 10**30}, "times contradict each other"),
        ({"aud": "web2"}, "InvalidAudience"),
        ({"aud": None}, "."),
        ({"sub": None}, "MissingRequiredClaim"),
        ({"sub": ""}, "subject"),
        ({"sub": "a\nb"}, "subject"),
        ({"nbf": NOW + timedelta(minutes=5)}, "not valid yet"),
        ({"key": "another-key-of-at-least-32-bytes-length"}, "isn't configured"),
    ],
)
def test_identities_that_prove_nothing(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(tokens.NotProven, match=why):
        tokens.prove(ACCOUNT, proof(**claims), NOW)


def test_an_unsigned_identity_is_refused() -> None:
    with pytest.raises(tokens.NotProven):
        tokens.prove(ACCOUNT, proof(key=None, algorithm="none"), NOW)


def test_the_public_key_is_no_shared_secret() -> None:
    """The classic confusion: an HS256 token whose key is the public key."""
    header = jwt.encode({"sub": "user-42", "aud": "web1", "exp": NOW + timedelta(minutes=5)}, "x" * 32, "HS256").rsplit(".", 1)[0]
    mac = hmac.new(PUBLIC.encode(), header.encode(), hashlib.sha256).digest()
    forged = f"{header}.{jwt.utils.base64url_encode(mac).decode()}"
    for account in (ACCOUNT, an_account(identity_public_key=PUBLIC)):
        with pytest.raises(tokens.NotProven):
            tokens.prove(account, forged, NOW)


def test_the_bare_hash_only_where_it_is_allowed() -> None:
    key, user = "site-hmac-key-demo-of-32-bytes-at-least", "user-42"
    digest = "cf505048b074270f7b79df8c64895e3b3c25435bcd7b5bc6ac5aaeadc330f1fb"
    allowing = an_account(identity_secrets=[key], identity_hmac=True)
    assert tokens.prove_hmac(allowing, user, digest).subject == user
    for account, user_id, given in (
        (an_account(identity_secrets=[key]), user, digest),
        (allowing.model_copy(update={"identity_secrets": ()}), user, digest),
        (allowing, "user-43", digest),
        (allowing, user, digest.upper()),
        (allowing, user, "☂"),
    ):
        with pytest.raises(tokens.NotProven):
            tokens.prove_hmac(account, user_id, given)


SIGNED_IN = {"identity_secrets": [SITE_KEY]}


async def test_a_reload_is_the_same_visitor(world: World) -> None:
    kim = await world.browser()
    await kim.say("hello")
    reply = await Browser(world, kim.token).start()
    assert (reply.json["visitor_id"], reply.json["cursor"], reply.json["open"]) == (kim.visitor_id, "1", True)


async def test_a_token_that_is_nobodys_begins_anew(world: World) -> None:
    kim = await world.browser()
    stranger = Browser(world)
    reply = await stranger.start(visitor_token="nonsense")
    assert reply.status == 201
    assert stranger.visitor_id != kim.visitor_id


async def test_signing_in_keeps_what_was_said_and_ends_older_tokens(new_world: NewWorld) -> None:
    async with new_world(**SIGNED_IN).running() as world:
        kim = await world.browser(prechat={"name": "somebody"})
        old = kim.token
        await kim.say("before")
        reply = await kim.start(identity_jwt=proof(world.clock()))
        assert (reply.json["verified"], reply.json["visitor_id"]) == (True, kim.visitor_id)
        assert await kim.texts() == ["before"]
        assert (await Browser(world, old).call("GET", "/events")).status == 401
        await kim.say("after")
        message = world.inbox.of("message")[-1]
        assert (message.end_user.name, message.end_user.username, message.end_user.address) == (
            "Lea Paz",
            "user-42",
            kim.visitor_id,
        )


async def test_who_signs_in_is_told_to_the_webhook_at_once_and_once(new_world: NewWorld) -> None:
    """A rep who talks with them sees the name before their next word."""
    async with new_world(**SIGNED_IN).running() as world:
        kim = await world.browser()
        await kim.start(prechat={"name": "somebody"})
        assert world.inbox.of("profile") == [], "nobody has seen them yet"
        await kim.say("before")
        await kim.start(identity_jwt=proof(world.clock()))
        (told,) = world.inbox.of("profile")
        assert (told.end_user.name, told.end_user.username, told.end_user.address) == ("Lea Paz", "user-42", kim.visitor_id)
        await kim.start()
        await Browser(world).start(identity_jwt=proof(world.clock()))
        assert len(world.inbox.of("profile")) == 1, "nothing new was told"


async def test_who_signs_in_while_the_webhook_is_down_is_told_of_later(new_world: NewWorld) -> None:
    async with new_world(**SIGNED_IN).running() as world:
        kim = await world.browser()
        await kim.say("before")
        world.inbox.refuse = DOWN
        assert (await kim.start(identity_jwt=proof(world.clock()))).status == 201
        world.inbox.refuse = None
        await kim.say("after")
        assert [event.kind for event in world.inbox.events][-2:] == ["profile", "message"]


async def test_signing_in_on_another_device_joins_both_histories(new_world: NewWorld) -> None:
    async with new_world(**SIGNED_IN).running() as world:
        laptop = await world.browser(identity_jwt=proof(world.clock()))
        await laptop.say("from the laptop")
        phone = await world.browser()
        await phone.say("from the phone", "client-phone")
        unnamed = phone.visitor_id
        await phone.start(identity_jwt=proof(world.clock()))
        assert phone.visitor_id == laptop.visitor_id
        assert await phone.texts() == ["from the laptop", "from the phone"]
        assert [item["seq"] for item in await phone.poll()] == [1, 2]
        await world.send(world.say(unnamed, "an answer to the old address"))
        assert (await laptop.texts())[-1] == "an answer to the old address"
        again = await phone.say("from the phone", "client-phone")
        assert again.json["seq"] == 2, "a repetition across the sign-in is still the same message"
        await phone.say("and now")
        message = world.inbox.of("message")[-1]
        assert (message.end_user.address, message.end_user.aliases) == (laptop.visitor_id, (unnamed,))


async def test_a_form_doesnt_rename_a_proven_customer(new_world: NewWorld) -> None:
    async with new_world(**SIGNED_IN).running() as world:
        lea = await world.browser(identity_jwt=proof(world.clock()))
        await lea.start(prechat={"name": "The Boss"})
        await lea.say("hello")
        assert world.inbox.of("message")[0].end_user.name == "Lea Paz"


async def test_signing_out_leaves_nothing_to_the_next_user_of_the_browser(new_world: NewWorld) -> None:
    async with new_world(**SIGNED_IN).running() as world:
        lea = await world.browser(identity_jwt=proof(world.clock()))
        await lea.say("my secret")
        assert (await lea.call("DELETE", "/session")).status == 204
        next_one = Browser(world, lea.token)
        assert (await next_one.call("GET", "/messages")).status == 401
        await next_one.start()
        assert next_one.visitor_id != lea.visitor_id
        assert await next_one.poll() == []


async def test_where_identity_is_required_nobody_else_enters(new_world: NewWorld) -> None:
    async with new_world(**SIGNED_IN, identity_required=True).running() as world:
        reply = await Browser(world).start()
        assert (reply.status, reply.code) == (401, "identity_refused")
        lea = await world.browser(identity_jwt=proof(world.clock()))
        assert (await lea.start()).status == 201


async def test_a_wrong_identity_is_told_and_changes_nothing(world: World) -> None:
    reply = await Browser(world).start(identity_jwt=proof(world.clock()))
    assert (reply.status, reply.code) == (401, "identity_refused")
    assert SITE_KEY not in str(reply.json)
