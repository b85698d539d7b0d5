"""What no model can see alone: names that must fit each other across the config."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from adapters import registry
from adapters.forms import is_locale, is_private
from gateway.config.faults import did_you_mean
from gateway.config.model import ChannelConfig, GatewayConfig
from gateway.config.salesforce_checks import salesforce_faults, salesforce_warnings
from gateway.config.text import Places, Steps
from gateway.errors import ConfigFault
from gateway.session.model import FlowCondition, FlowRule, RecipientType

_CHANNEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-fA-F]{64}")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_NOTICES: Final = ("joined", "left", "transferred", "waiting", "ended")
_LONGEST_TOKEN: Final = 8_192  # as the edge takes them
LEAST_BYTES: Final = 16  # of a secret: what has fewer can be tried out
_PLACE: Final = re.compile(r"\{(\w+)\}")
_PLACES: Final = ("name", "from", "to")


def cross_check(config: GatewayConfig, raw: Any, places: Places) -> Iterator[ConfigFault]:
    """All that is wrong between the parts of `raw`; `config` is what is sound of it."""
    for key, channel in config.channels.items():
        yield from _check_channel(key, channel, raw, places)
    channels = [*_names(raw, "channels"), *registry.load()]
    for key, org in config.orgs.items():
        reps, queues = _names(raw, "orgs", key, "reps"), _names(raw, "orgs", key, "queues")
        for queue_id, queue in org.queues.items():
            place = places.of(("orgs", key, "queues", queue_id, "reps"))
            yield from (ConfigFault(place, f"there is no rep {r!r}", _choose(reps)) for r in queue.reps if r not in reps)
        known = {RecipientType.agent: reps, RecipientType.queue: queues}
        for flow_id, flow in org.flows.items():
            for index, rule in enumerate(flow.rules):
                yield from _check_rule(("orgs", key, "flows", flow_id, "rules", index), rule, known, channels, places)
    if config.oidc and config.oidc.org is not None and config.oidc.org not in (orgs := _names(raw, "orgs")):
        yield ConfigFault(places.of(("oidc", "org")), f"there is no org {config.oidc.org!r}", _choose(orgs))
    orgs = _names(raw, "orgs")
    for key in config.stores:
        if key not in orgs:
            yield ConfigFault(places.of(("stores", key)), f"there is no org {key!r}", _choose(orgs))
    yield from salesforce_faults(config, raw, places)
    yield from _check_tokens(config, places)
    if config.media_secret is not None:
        yield from _secret_fault(config.media_secret.get_secret_value(), ("media_secret",), LEAST_BYTES, places)
    elif shared := _shared(config):
        fault = f"is missing, and `{shared}` is shared by several processes: each would sign the addresses of files with another secret"
        yield ConfigFault(
            places.of(("media_secret",)), fault, "Generate one with `openssl rand -hex 24`, the same for all of them."
        )


def _shared(config: GatewayConfig) -> str | None:
    """A setting by which processes on several machines share what they keep."""
    return next((name for name in ("store", "stores", "media") if getattr(config, name)), None)


def _names(raw: Any, *path: str) -> list[str]:
    """What the file defines there, sound or not: what is faulty itself isn't told again where it is named."""
    for step in path:
        raw = raw.get(step) if isinstance(raw, dict) else None
    return [str(name) for name in raw] if isinstance(raw, dict) else []


def _check_channel(key: str, channel: ChannelConfig, raw: Any, places: Places) -> Iterator[ConfigFault]:
    at: Steps = ("channels", key)
    if not _CHANNEL_ID.fullmatch(key):
        fix = "Use letters, digits, - and _ only, at most 64."
        yield ConfigFault(places.of(at), "a channel's id is part of an address", fix)
    orgs, queues = _names(raw, "orgs"), _names(raw, "orgs", channel.org, "queues")
    if channel.org not in orgs:
        yield ConfigFault(places.of((*at, "org")), f"there is no org {channel.org!r}", _choose(orgs))
    elif channel.queue is not None and channel.queue not in queues:
        fault = f"org {channel.org!r} has no queue {channel.queue!r}"
        yield ConfigFault(places.of((*at, "queue")), fault, _choose(queues))
    adapter = registry.load().get(channel.kind)
    if adapter and channel.edition not in adapter.capabilities.editions:
        fix = f"Use one of: {', '.join(adapter.capabilities.editions)}."
        yield ConfigFault(places.of((*at, "edition")), f"{channel.kind} has no edition {channel.edition!r}", fix)
    for locale, texts in channel.notices.items():
        if locale != "*" and not is_locale(locale):
            yield ConfigFault(
                places.of((*at, "notices", locale)), "is not a language tag", "Write a language tag such as de or pt-BR, or *."
            )
        for code, text in texts.items():
            yield from _check_text(text, (*at, "notices", locale, code), places)
            if code not in _NOTICES:
                fix = did_you_mean(code, _NOTICES) or f"Use one of: {', '.join(_NOTICES)}."
                yield ConfigFault(places.of((*at, "notices", locale, code)), f"there is no notice {code!r}", fix)


def _check_text(text: str | None, at: Steps, places: Places) -> Iterator[ConfigFault]:
    if text is None:
        return
    if not text.strip():
        yield ConfigFault(places.of(at), "is an empty notice", "Write null to disable the notice.")
    for word in _PLACE.findall(text):
        if word not in _PLACES:
            fix = did_you_mean(word, _PLACES) or "Use {name}, or in a transfer {from} and {to}."
            yield ConfigFault(places.of(at), f"has {{{word}}}, which is not a placeholder", fix)


def _check_rule(
    at: Steps, rule: FlowRule, known: Mapping[RecipientType, list[str]], channels: list[str], places: Places
) -> Iterator[ConfigFault]:
    place = places.of((*at, "to"))
    if rule.to.type not in known:
        yield ConfigFault(place, f"a flow can't name {rule.to.type.value!r}", "Use agent or queue.")
    elif rule.to.id not in known[rule.to.type]:
        yield ConfigFault(place, f"there is no {rule.to.type.value} {rule.to.id!r}", _choose(known[rule.to.type]))
    yield from _check_condition((*at, "when"), rule.when, places)
    for index, name in enumerate(rule.when.channels):
        if name not in channels:
            fix = _choose(channels)
            yield ConfigFault(places.of((*at, "when", "channels", index)), f"there is no channel or kind {name!r}", fix)
    for index, locale in enumerate(rule.when.locales):
        if not is_locale(locale):
            yield ConfigFault(
                places.of((*at, "when", "locales", index)), "is not a language tag", "Write a language tag such as de or pt-BR."
            )


def _check_condition(at: Steps, when: FlowCondition, places: Places) -> Iterator[ConfigFault]:
    if when.text_matches is not None:
        try:
            re.compile(when.text_matches)
        except re.error as error:
            fault = f"is not a regular expression ({error})"
            yield ConfigFault(places.of((*at, "text_matches")), fault, "Correct the pattern.")
    if not all(_TIME.fullmatch(time) for time in when.hours or ()):
        fix = 'Write two times in UTC, such as ["08:00", "18:00"].'
        yield ConfigFault(places.of((*at, "hours")), "are not times of day", fix)
    if not all(0 <= day <= 6 for day in when.weekdays):
        yield ConfigFault(places.of((*at, "weekdays")), "are not days of the week", "Use 0 (Monday) to 6 (Sunday).")


def _check_tokens(config: GatewayConfig, places: Places) -> Iterator[ConfigFault]:
    """A fault gives a token's place, never the token. If only this machine is served (the demo), tokens may be short."""
    tokens = Counter[str]()
    at_home = is_private(urlsplit(config.public_url).hostname or "")
    for key, org in config.orgs.items():
        for login, rep in org.reps.items():
            for index, secret in enumerate(rep.tokens):
                token = secret.get_secret_value()
                place = places.of(("orgs", key, "reps", login, "tokens", index))
                if not token:
                    yield ConfigFault(place, "is empty", "Generate one with `openssl rand -hex 24`, or leave it out.")
                    continue
                if token.startswith("sha256:") and not _DIGEST.fullmatch(token):
                    fix = "Write sha256: followed by the token's digest in 64 hex digits."
                    yield ConfigFault(place, "is not a digest", fix)
                elif not _can_be_sent(token):
                    fix = f"Use ASCII letters, digits and punctuation without spaces, at most {_LONGEST_TOKEN}."
                    yield ConfigFault(place, "can't be sent in a header", fix)
                elif len(token) < LEAST_BYTES and not at_home:
                    fix = "Generate a longer one with `openssl rand -hex 24`."
                    yield ConfigFault(place, f"has fewer than {LEAST_BYTES} characters and can be guessed", fix)
                elif tokens[token]:
                    yield ConfigFault(place, "is also another rep's token", "Give each rep a different token.")
                tokens[token] += 1


def secret_faults(settings: BaseModel, at: Steps, places: Places) -> Iterator[ConfigFault]:
    """Secrets that are none: empty, short enough to be guessed, or copied with a blank or with letters that no provider gives. They are never named."""
    for name, field in type(settings).model_fields.items():
        yield from _secrets_in(getattr(settings, name), (*at, name), field, places)


def secret_faults_among(given: Mapping[str, Any], model: type[BaseModel], at: Steps, places: Places) -> Iterator[ConfigFault]:
    """The same of settings of which others are at fault, so that both are told in one run."""
    for name, field in model.model_fields.items():
        form: Any = field.annotation
        with contextlib.suppress(ValidationError):  # told already
            value = TypeAdapter(form).validate_python(given.get(name))
            yield from _secrets_in(value, (*at, name), field, places)


def _least(field: FieldInfo) -> int:
    extra = field.json_schema_extra
    return int(str(extra.get("least_bytes", LEAST_BYTES))) if isinstance(extra, dict) else LEAST_BYTES


def _any_letters(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("any_letters") is True


def _secrets_in(value: object, at: Steps, field: FieldInfo, places: Places) -> Iterator[ConfigFault]:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        told = list(_secret_fault(secret, at, _least(field), places))
        yield from told
        if (
            not told
            and not _any_letters(field)
            and "-----BEGIN" not in secret
            and not (secret.isascii() and secret.isprintable())
        ):
            fix = "Copy it again; word processors and terminals can insert curly quotes and line breaks."
            yield ConfigFault(
                places.of(at), "has a character that no provider's secret contains (a non-ASCII character or a line break)", fix
            )
    elif isinstance(value, BaseModel):
        yield from secret_faults(value, at, places)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _secrets_in(one, (*at, key), field, places)
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _secrets_in(one, (*at, index), field, places)


def _secret_fault(secret: str, at: Steps, least: int, places: Places) -> Iterator[ConfigFault]:
    longer = "Copy all of it from the provider, or generate one with `openssl rand -hex 24`."
    if not secret:
        yield ConfigFault(places.of(at), "is empty", longer)
    elif len(secret.encode()) < least:
        yield ConfigFault(places.of(at), f"has under {least} bytes and can be guessed", longer)
    elif secret != secret.strip() and "-----BEGIN" not in secret:
        yield ConfigFault(
            places.of(at), "has a space or a line break around it", "Copy it again without the surrounding white space."
        )


def warnings_of(config: GatewayConfig, places: Places) -> Iterator[ConfigFault]:
    """What may be meant, and mostly isn't: told, and no fault."""
    url = urlsplit(config.public_url)
    public = not is_private(url.hostname or "")
    if public and url.scheme == "http":
        fix = "Put a TLS proxy in front of the gateway and write https://."
        yield ConfigFault(places.of(("public_url",)), "is plain http, and most providers only call https", fix)
    if public and not config.trusted_proxies:
        fix = "List your proxy's address or network in trusted_proxies, such as [127.0.0.1]. Otherwise all clients count as one, and one who guesses tokens locks out all."
        yield ConfigFault(places.of(("public_url",)), "is public, but trusted_proxies is empty", fix)
    for key, channel in config.channels.items():
        queue = config.orgs[channel.org].queues.get(channel.queue) if channel.org in config.orgs and channel.queue else None
        if queue is not None and not queue.reps:
            fault = f"queue {channel.queue!r} has no reps, so this channel's sessions are offered to nobody"
            yield ConfigFault(places.of(("channels", key, "queue")), fault, "Add reps to the queue.")
    yield from salesforce_warnings(config, places)
    first_of_kind = {channel.kind: key for key, channel in reversed(config.channels.items())}
    adapters = registry.load()
    for kind in filter(adapters.__contains__, first_of_kind):
        if outdated := registry.outdated(adapters[kind]):
            yield ConfigFault(places.of(("channels", first_of_kind[kind], "kind")), f"{kind!r} {outdated}", registry.NEWER_PLUGIN)


def _can_be_sent(token: str) -> bool:
    return len(token) <= _LONGEST_TOKEN and token.isascii() and token.isprintable() and " " not in token


def _choose(names: Sequence[str]) -> str:
    return f"Use one of: {', '.join(names)}." if names else "Define one."
