"""Telegram's bots: private chats. Its webhooks are proven by a repeated secret; its API has the bot's token in the path.

Source: core.telegram.org/bots/api: "setWebhook", "Update", "Message", "sendMessage", "sendPhoto", "sendDocument", "getFile", "Making requests".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import Field, SecretStr

from adapters import contract as byoc
from adapters import envelope as env
from adapters.reading import Fields, answer_of, count, dict_of, dig, each, json_object, list_of, moment, number, optional, text
from adapters.replies import dead, failure, fetched
from adapters.signing import check_repeated
from byoc_telegram.simulator import TelegramSimulator

PARTS: Final = ("text", "image", "video", "audio", "voice", "file", "location", "contact", "sticker", "choice", "unknown")
CHATS: Final = ("message", "edited_message", "callback_query", "my_chat_member")
FILES: Final = {"photo": "image", "voice": "voice", "audio": "audio", "video": "video", "document": "file"}
# What every message has beside its content.
FRAME: Final = {"message_id", "from", "chat", "date", "edit_date", "reply_to_message"}
PHOTOS: Final = ("image/jpeg", "image/png", "image/webp")
# Telegram has no codes: its refusals are told apart by how their words begin.
REFUSALS: Final = {
    "Forbidden: bot was blocked by the user": dead("blocked"),
    "Forbidden": dead("recipient_unreachable"),  # deactivated, or never wrote to the bot
    "Bad Request: chat not found": dead("recipient_unreachable"),
    "Bad Request: message is too long": dead("too_long"),
    "Bad Request: message caption is too long": dead("too_long"),
    "Bad Request: file is too big": dead("media_gone"),  # of a customer's file: bots get 20 MB at most
    "Bad Request: wrong file_id": dead("media_gone"),
    "Request Entity Too Large": dead("media_refused"),
}


class TelegramAccount(byoc.Account):
    """A bot, as BotFather made it."""

    bot_token: SecretStr = Field(description="The bot's token, from BotFather.")
    secret_tokens: tuple[SecretStr, ...] = Field(description="What setWebhook was given as secret_token; two while it changes.")
    api_base: str = Field(default="https://api.telegram.org", description="Another one for a Bot API server of your own.")


def verify(request: byoc.RawRequest, account: TelegramAccount, now: datetime) -> None:
    """Telegram signs nothing: it repeats the secret that setWebhook was given."""
    check_repeated(request.headers.get("x-telegram-bot-api-secret-token"), account.secret_tokens, "secret token")


def parse(request: byoc.RawRequest, account: TelegramAccount) -> list[env.Inbound]:
    """The one event of an update."""
    update = json_object(request.body)
    return each(request, account, [(optional(update, "update_id"), update)], _event)


def _event(update: dict[str, Any], common: Fields) -> env.Inbound:
    kind = next((key for key in update if key != "update_id"), "empty")
    event, person = dict_of(update.get(kind)), dict_of(dig(update, kind, "from"))
    chat = dict_of(dig(event, "message", "chat") or event.get("chat"))
    if kind not in CHATS or chat.get("type") != "private":
        return env.InboundUnknown(**common, reason="group" if kind in CHATS else kind)
    to, name = text(chat, "id"), " ".join(filter(None, (optional(person, "first_name"), optional(person, "last_name"))))
    known: dict[str, Any] = {"username": optional(person, "username"), "locale": optional(person, "language_code")}
    common["end_user"] = env.EndUser(address=env.Address(to), name=name or None, **known)
    common["provider_time"] = moment(seconds=event.get("edit_date") or event.get("date"))
    if kind == "my_chat_member":
        blocked = dig(event, "new_chat_member", "status") == "kicked"
        return env.InboundEnded(**common, reason="blocked") if blocked else env.InboundUnknown(**common, reason="started")
    if kind == "callback_query":
        choice = env.ChoicePart(id=text(event, "data"), title=text(event, "data"))
        return env.InboundMessage(**common, message_id=f"{to}/{text(event, 'id')}", parts=(choice,))
    common |= {"message_id": f"{to}/{text(event, 'message_id')}", "parts": (_part(event),)}
    if kind == "edited_message":
        return env.InboundEdit(**common)
    quoted = dig(event, "reply_to_message", "message_id")
    return env.InboundMessage(**common, reply_to=f"{to}/{quoted}" if quoted else None)


def _part(message: dict[str, Any]) -> env.Part:
    kind = next((kind for kind in ("text", *FILES, "sticker", "location", "contact") if kind in message), None)
    held = dict_of((list_of(message.get(kind or "")) or [message.get(kind or "")])[-1])  # of a photo's sizes the largest is last
    match kind:
        case "text":
            return env.TextPart(text=message["text"])
        case "sticker":
            return env.StickerPart(text=optional(held, "emoji"), media=_file("image", held))
        case "location":
            venue = {"name": dig(message, "venue", "title"), "address": dig(message, "venue", "address")}
            return env.LocationPart(latitude=number(held, "latitude"), longitude=number(held, "longitude"), **venue)
        case "contact":
            return env.ContactPart(name=text(held, "first_name"), phones=(text(held, "phone_number"),))
        case str():
            return _file(FILES[kind], held, optional(message, "caption"))
    other = next((key for key in message if key not in FRAME), "empty")
    return env.UnknownPart(provider_type=other, fallback=f"[Telegram: {other.replace('_', ' ')}]")


def _file(family: Any, file: dict[str, Any], caption: str | None = None) -> env.MediaPart:
    read: dict[str, Any] = {"name": optional(file, "file_name"), "mime_type": optional(file, "mime_type"), "caption": caption}
    return env.MediaPart(media=family, size_bytes=count(file, "file_size"), source={"file_id": text(file, "file_id")}, **read)


def send(message: env.Outbound, account: TelegramAccount, now: datetime) -> byoc.Flow[byoc.Sent]:
    """One message. Raises SendFailed."""
    body: dict[str, Any] = {"chat_id": message.to}
    if isinstance(message, env.TypingSignal):
        if message.on:
            yield byoc.json_call("POST", _url(account, "sendChatAction"), body | {"action": "typing"}, visible=False)
        return byoc.Sent()
    if isinstance(message, env.Notice):
        body["disable_notification"] = True
    elif message.reply_to:
        body["reply_parameters"] = {"message_id": int(message.reply_to.rpartition("/")[2]), "allow_sending_without_reply": True}
    if isinstance(message, env.Say) and (file := message.file):
        kind = "photo" if file.mime_type in PHOTOS and file.size_bytes <= 10_000_000 else "document"
        upload = byoc.FormFile(kind, file.name, file.mime_type, file.content)
        body |= {"caption": message.text} if message.text else {}
        reply = yield byoc.form_call(_url(account, f"send{kind.title()}"), body, upload, visible=True)
    else:
        reply = yield byoc.json_call("POST", _url(account, "sendMessage"), body | {"text": message.text}, visible=True)
    message_id = optional(_result(reply, now), "message_id")
    return byoc.Sent((f"{message.to}/{message_id}",) if message_id else ())


def media(part: env.MediaPart, account: TelegramAccount, now: datetime) -> byoc.Flow[byoc.Fetched]:
    """Where the file is, good for an hour, then the file. Raises SendFailed."""
    found = yield byoc.json_call("POST", _url(account, "getFile"), {"file_id": part.source.get("file_id")}, visible=False)
    url = _url(account, text(_result(found, now), "file_path"))
    reply = yield byoc.HttpCall("GET", url, timeout_seconds=60, max_reply_bytes=20 * 1024 * 1024)
    return fetched(reply, part.model_copy(update={"name": part.name or url.rpartition("/")[2]}), now)


def _url(account: TelegramAccount, path: str) -> byoc.SecretUrl:
    return byoc.SecretUrl(f"{account.api_base}{'/file' if '/' in path else ''}/bot{account.bot_token.get_secret_value()}/{path}")


def _result(reply: byoc.HttpReply, now: datetime) -> dict[str, Any]:
    answer = answer_of(reply)
    if reply.status == 200:
        return dict_of(answer.get("result"))
    code = next((known for known in REFUSALS if str(answer.get("description")).startswith(known)), None)
    wait = dig(answer, "parameters", "retry_after")
    raise failure(reply, now, table=REFUSALS, provider_code=code, wait_seconds=wait)


def demo(channel_id: str, base: str, hook: str) -> dict[str, Any]:
    """Settings for the demo."""
    return {"bot_token": f"1000:demo-{channel_id}", "secret_tokens": [f"demo-{channel_id}-secret"], "api_base": base}


ADAPTER: Final = byoc.Adapter(
    kind="telegram",
    title="Telegram",
    account=TelegramAccount,
    capabilities=byoc.Capabilities(
        inbound=frozenset({f"message.{kind}" for kind in PARTS} | {"edit", "ended", "unknown"}),
        outbound=frozenset({"say.text", "say.image", "say.video", "say.audio", "say.file", "say.reply", "notice", "typing"}),
        max_text=4096,
        max_caption=1024,
        text_unit="utf16",
        files=(byoc.FileRule(media="file", max_bytes=50_000_000),),
    ),
    verify=verify,
    parse=parse,
    send=send,
    media=media,
    simulate=TelegramSimulator,
    demo=demo,
    contract=2,
)
