"""What a visitor's page calls: session, messages, typing, read and delivered marks, end, history, files."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from adapters.errors import NotAuthentic
from adapters.webchat import WebchatAccount, wire
from gateway.edge.giving_out import give_out
from gateway.edge.input import Nothing, faults_of, json_of
from gateway.edge.limits import Limits, rate_limited
from gateway.edge.problems import Fault, Problem, invalid, pointer_of
from gateway.edge.upload import Upload, form_of
from gateway.webchat import files, shapes, tokens
from gateway.webchat.door import Door, Visit
from gateway.webchat.model import Line, StoredFile, Visitor
from gateway.webchat.problems import ChatProblem

_LIMITS: Final = Limits(max_body_bytes=128 * 1024)
_ALWAYS_ASKABLE: Final = frozenset({"name", "email", "phone"})
_MOST_HISTORY: Final = 200


class Calls:
    """The handlers; each gets a `Visit`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def session(self, visit: Visit) -> web.Response:
        """Begin, or go on with a token, or sign in with an identity."""
        if wait := visit.rates.sessions.take(self._door.network(visit.request)):
            raise rate_limited(wait)
        ask = await json_of(visit.request, shapes.SessionAsk, _LIMITS)
        account, identity = visit.account, _identity(visit, ask)
        known = await self._known(visit, ask)
        if account.identity_required and identity is None and (known is None or known.subject is None):
            raise ChatProblem("identity_refused", "This chat is only for signed-in customers: send `identity_jwt`.")
        visitor = await visit.service.start(account, known, identity, _profile(account, ask))
        token, expires = tokens.issue(account, visitor.visitor_id, visitor.generation, visit.service.now())
        return web.json_response(
            {
                "visitor_token": token,
                "visitor_id": visitor.visitor_id,
                "expires_at": expires.isoformat(),
                "cursor": str(visitor.last_seq),
                "read_seq": visitor.read_seq,
                "open": visitor.open,
                "verified": visitor.subject is not None,
                "config": config(account, ask.locale or account.locale, visitor),
            },
            status=201,
        )

    @staticmethod
    async def _known(visit: Visit, ask: shapes.SessionAsk) -> Visitor | None:
        """The token's visitor; a token that is nobody's any more is as good as none."""
        if ask.visitor_token is None:
            return None
        try:
            return (await visit.service.visitor_of(visit.account, ask.visitor_token))[0]
        except tokens.NotProven:
            return None

    async def sign_out(self, visit: Visit) -> web.Response:
        """Forget this browser: the token is nobody's from now on."""
        visitor, _ = await visit.visitor()
        await visit.service.sign_out(visitor)
        return web.Response(status=204)

    async def say(self, visit: Visit) -> web.Response:
        """A message or a file; 202 when it is durable here and on its way to the reps."""
        visitor, _ = await visit.visitor()
        visit.slow_down(visit.rates.messages, visitor)
        _prechat_done(visit.account, visitor)
        ask, upload = await self._message(visit)
        words = {key: value for key, value in ask.model_dump(exclude={"client_id"}).items() if value is not None}
        # A file that was taken under this id before isn't kept twice.
        new = upload is not None and await visit.service.said(visitor, ask.client_id) is None
        file = await self._kept(visit, upload) if upload and new else None
        event = await visit.service.say(visitor, ask.client_id, words, file)
        return web.json_response(_receipt(visit, event, ask.client_id), status=202)

    @staticmethod
    async def _message(visit: Visit) -> tuple[shapes.MessageAsk, Upload | None]:
        if visit.request.content_type != "multipart/form-data":
            ask = await json_of(visit.request, shapes.MessageAsk, _LIMITS)
            upload = None
        else:
            limits = Limits(max_file_bytes=visit.account.max_file_bytes)
            fields, upload = await form_of(visit.request, limits)
            try:
                ask = shapes.MessageAsk.model_validate({name: value for name, value in fields.items() if value})
            except ValidationError as wrong:
                raise faults_of(wrong, "form") from None
        if upload is None and ask.text is None and ask.choice is None:
            raise invalid(Fault("/text", "required if there is no file and no choice"))
        if ask.text and len(ask.text) > visit.account.max_text:
            raise invalid(Fault("/text", f"at most {visit.account.max_text} characters"))
        return ask, upload

    @staticmethod
    async def _kept(visit: Visit, upload: Upload) -> StoredFile:
        mime_type = files.true_type(upload.mime_type, upload.content)
        if mime_type is None or not files.allowed(mime_type, visit.account.file_types):
            detail = "Files of this type can't be sent here, or the content doesn't match the type."
            raise Problem("unsupported_media_type", detail, details={"file_types": list(visit.account.file_types)})
        file = StoredFile(files.new_file_id(), upload.name, mime_type, len(upload.content))
        await visit.service.keep(file.file_id, upload.content)
        return file

    async def typing(self, visit: Visit) -> web.Response:
        """The visitor types, or ceased to."""
        visitor, _ = await visit.visitor()
        visit.slow_down(visit.rates.signals, visitor)
        await visit.service.typing(visitor, (await json_of(visit.request, shapes.TypingAsk, _LIMITS)).on)
        return web.Response(status=204)

    async def read(self, visit: Visit) -> web.Response:
        """The visitor has seen everything up to this line."""
        return await self._mark(visit, "read")

    async def delivered(self, visit: Visit) -> web.Response:
        """The page holds everything up to this line."""
        return await self._mark(visit, "delivered")

    @staticmethod
    async def _mark(visit: Visit, kind: str) -> web.Response:
        visitor, _ = await visit.visitor()
        visit.slow_down(visit.rates.signals, visitor)
        await visit.service.mark(visitor, kind, (await json_of(visit.request, shapes.SeqAsk, _LIMITS)).seq)
        return web.Response(status=204)

    async def end(self, visit: Visit) -> web.Response:
        """The visitor ends the conversation; the next message begins another."""
        visitor, _ = await visit.visitor()
        visit.slow_down(visit.rates.signals, visitor)
        await json_of(visit.request, Nothing, _LIMITS)
        await visit.service.end(visitor)
        return web.Response(status=204)

    async def history(self, visit: Visit) -> web.Response:
        """Older lines: `?before=&limit=`, oldest first; `next` is the cursor of the page before, null at the beginning."""
        visitor, _ = await visit.visitor()
        limit = max(1, min(number(visit.request, "limit", 50), _MOST_HISTORY))
        items = await visit.service.history(visitor, number(visit.request, "before", 2**53), limit)
        more = bool(items) and items[0]["seq"] > visitor.first_seq
        return web.json_response({"items": items, "next": str(items[0]["seq"]) if more else None})

    async def file(self, visit: Visit) -> web.StreamResponse:
        """A file's bytes, to whoever has a link of ours that is still good."""
        file_id = visit.request.match_info["file_id"]
        try:
            query = {key: visit.request.query.get(key, "") for key in ("exp", "sig")}
            wire.check_file_query(visit.account.secrets, visit.account.channel_id, file_id, query, visit.service.now())
        except NotAuthentic:
            raise ChatProblem("file_not_found", "There is no such file, or the link has expired; reload the chat.") from None
        file = await visit.service.file(visit.account, file_id)
        kept = await visit.service.files.find(file_id) if file else None
        with contextlib.suppress(FileNotFoundError):
            if file is not None and kept is not None:
                return await give_out(visit.request, kept, files.headers_for(file.name, file.mime_type))
        raise ChatProblem("file_not_found", "The file is no longer kept.")


def config(account: WebchatAccount, locale: str, visitor: Visitor | None = None) -> dict[str, Any]:
    """What the widget needs to know; the form only while it isn't filled in."""
    asked = () if visitor and _answered(account, visitor) else account.prechat
    return {
        "title": worded(account.title, locale),
        "welcome": worded(account.welcome, locale),
        "accent": account.accent,
        "rtl": locale.partition("-")[0].lower() in ("ar", "fa", "he", "ur", "ps", "yi", "dv", "ug"),
        "prechat": [{**one.model_dump(exclude={"label"}), "label": worded(one.label, locale) or one.name} for one in asked],
        "starters": [one.model_dump() for one in account.starters],
        "max_text": account.max_text,
        "max_file": account.max_file_bytes,
        "file_types": list(account.file_types),
        "online": True,
    }


def worded(words: Mapping[str, str], locale: str) -> str:
    """The text for `pt-BR`: that of `pt-BR`, else `pt`, else `en`, else any."""
    by_locale = {key.lower(): value for key, value in words.items()}
    wanted = locale.lower().replace("_", "-")
    for key in (wanted, wanted.partition("-")[0], "en"):
        if key in by_locale:
            return by_locale[key]
    return next(iter(words.values()), "")


def number(request: web.Request, name: str, default: int) -> int:
    """A number of the query. Raises Problem (422)."""
    value = request.query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 16):
        raise invalid(Fault(pointer_of([name]), "must be a number", "query"))
    return min(int(value), 2**53)


def _identity(visit: Visit, ask: shapes.SessionAsk) -> tokens.Identity | None:
    try:
        if ask.identity_jwt is not None:
            return tokens.prove(visit.account, ask.identity_jwt, visit.service.now())
        if ask.identity_hash is not None:
            return tokens.prove_hmac(visit.account, ask.identity_hash.user_id, ask.identity_hash.hash)
    except tokens.NotProven as error:
        raise ChatProblem("identity_refused", f"The identity was refused: {error}.") from None
    return None


def _profile(account: WebchatAccount, ask: shapes.SessionAsk) -> dict[str, Any]:
    """What the visitor says about themself. Raises Problem (422) for an answer without a question."""
    askable = _ALWAYS_ASKABLE | {one.name for one in account.prechat}
    strange = [name for name in ask.prechat if name not in askable]
    if strange:
        raise invalid(*(Fault(pointer_of(["prechat", name]), "no such question") for name in strange))
    told = {key: value for key in ("name", "email") if isinstance(value := ask.prechat.get(key), str)}
    page = ask.page.model_dump(exclude_none=True) if ask.page else None
    return {**told, "prechat": dict(ask.prechat), "page": page, "locale": ask.locale or account.locale}


def _answered(account: WebchatAccount, visitor: Visitor) -> bool:
    """Whoever is known by the site, or has answered all that must be answered, isn't asked again."""
    given = visitor.profile.get("prechat") or {}
    return visitor.subject is not None or (bool(given) and all(given.get(one.name) for one in account.prechat if one.required))


def _prechat_done(account: WebchatAccount, visitor: Visitor) -> None:
    if any(one.required for one in account.prechat) and not _answered(account, visitor):
        raise ChatProblem("prechat_required", "Answer the form's questions first, in `prechat` of /session.")


def _receipt(visit: Visit, event: Line, client_id: str) -> dict[str, Any]:
    shown = visit.service.shown(visit.account.channel_id, event)
    return {"id": event.body["id"], "seq": event.seq, "client_id": client_id, "at": shown["at"], "file": shown.get("file")}
