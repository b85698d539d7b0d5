"""Twilio's side: the Messages API, webhooks for what customers do, status callbacks, media. The channels add what differs.

Faithful in what bites: a webhook that we fail is lost unless its address carries connection overrides; files redirect to a second
address that takes no credentials; with a messaging service a message is first accepted, and an opt-out told only in a callback.
Sources: Twilio, "Messages resource", "Media resource", "Connection Overrides", "Track the Message Status of Outbound Messages".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from adapters._twilio import faults, wire
from adapters._twilio.account import TwilioAccount
from adapters._twilio.faults import Fault
from adapters._twilio.ledger import Record, StoredFile, segments
from adapters._twilio.signature import SignedFields, compute
from adapters.contract import Answer, RawRequest
from adapters.signing import same
from adapters.simulation import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, hex_of

_PICTURES: Final = ("image/jpeg", "image/png", "image/gif")
_FINAL: Final = ("delivered", "undelivered", "failed", "read", "canceled")


@dataclass
class _Hook:
    """A webhook under way: which retries its address asked for, and the line on the handset that it is about."""

    overrides: dict[str, str]
    line: tuple[str, str] | None = None


class Twilio:
    """One account with one sender. Everything follows from the inputs and their times; ids count up."""

    requests_per_second: ClassVar[int] = 100
    max_file_bytes: ClassVar[int] = 500_000
    max_picture_bytes: ClassVar[int] = 5_000_000

    def __init__(self, account: TwilioAccount, own: str | None) -> None:
        self.account = account
        self.own = own
        self.hook = account.webhook_url + (f"#{account.connection_overrides}" if account.connection_overrides else "")
        self.records: dict[str, Record] = {}
        self.files: dict[str, StoredFile] = {}
        self.opted_out: set[str] = set()
        self.offline: set[str] = set()
        self._lines: dict[str, dict[str, Shown]] = {}
        self._hooks: dict[str, _Hook] = {}
        self._fetches: dict[str, tuple[str, int]] = {}
        self._count = 0
        self._calls_at: list[datetime] = []

    # -------------------------------------------------------------------------------------- what channels add

    def address(self, customer: str) -> str:
        """The customer's address on this channel."""
        raise NotImplementedError

    def fields(self, action: Action) -> dict[str, str]:
        """The parameters that this channel adds to a webhook for what the customer does."""
        return {}

    def heard(self, address: str, action: Action, now: datetime) -> dict[str, str]:
        """Twilio's own doings at a customer's text (opt-out words); the parameters that they add."""
        return {}

    def refusal(self, record: Record, now: datetime) -> Fault | None:
        """What the channel refuses beyond the Messages API's own rules."""
        return faults.OPTED_OUT if record.to in self.opted_out else None

    # --------------------------------------------------------------------------------------------- our calls

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Our call to Twilio's API."""
        path = request.path.partition("?")[0]
        if path.startswith("/_files/"):
            return Outcome(self._stored(path.removeprefix("/_files/"), request))
        if not self._authenticated(request):
            return Outcome(faults.NOT_AUTHENTICATED.answer)
        if self._too_fast(now):
            return Outcome(faults.TOO_MANY.answer)
        return self.route(request, path, now) or Outcome(faults.NO_SUCH_RESOURCE.answer)

    def route(self, request: RawRequest, path: str, now: datetime) -> Outcome | None:
        """The answer of the resource at that path; None where there is none."""
        root = f"/2010-04-01/Accounts/{self.account.account_sid}/Messages"
        if not path.startswith(root):
            return None
        steps = path.removeprefix(root).removesuffix(".json").strip("/").split("/")
        if steps == [""]:
            return self._create(request, now) if request.method == "POST" else Outcome(self._list(request))
        if steps[1:2] == ["Media"]:
            return Outcome(self._media(steps[0], steps[2:], request, as_json=path.endswith(".json")))
        return Outcome(self._one(steps[0], request)) if len(steps) == 1 else None

    def _authenticated(self, request: RawRequest) -> bool:
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        accepted = [(self.account.account_sid, token.get_secret_value()) for token in self.account.auth_tokens]
        if self.account.api_key_sid and self.account.api_key_secret:
            accepted.append((self.account.api_key_sid, self.account.api_key_secret.get_secret_value()))
        return kind.lower() == "basic" and any(user == sid and same(password, secret) for sid, secret in accepted)

    def _too_fast(self, now: datetime) -> bool:
        self._calls_at = [at for at in self._calls_at if (now - at).total_seconds() < 1] + [now]
        return len(self._calls_at) > self.requests_per_second

    def _create(self, request: RawRequest, now: datetime) -> Outcome:
        form: dict[str, list[str]] = {}
        for name, value in wire.pairs(request.body):
            form.setdefault(name, []).append(value)
        if fault := faults.in_message(form, own=self.own, service=self.account.messaging_service_sid):
            return Outcome(fault.answer)
        record = self._record(form, now)
        refusal = self.refusal(record, now)
        if refusal and not record.service:
            return Outcome(refusal.answer)
        self.records[record.sid] = record
        answer = _json(record.json(), 201)
        if refusal:
            return Outcome(answer, (*self._tell(record, "queued", now), *self._tell(record, "failed", now, refusal.code)))
        return Outcome(answer, self._fetch_all(record) or self._hand_on(record, now))

    def _record(self, form: Mapping[str, list[str]], now: datetime) -> Record:
        service = form.get("MessagingServiceSid", [""])[0] or None
        urls = form.get("MediaUrl", [])
        return Record(
            sid=self._sid("MM" if urls else "SM"),
            account_sid=self.account.account_sid,
            to=form["To"][0],
            sender=form.get("From", [self.own if service else ""])[0] or "",
            body=form.get("Body", [""])[0],
            created=now,
            service=service,
            callback=form.get("StatusCallback", [""])[0],
            status="accepted" if service else "queued",
            media_urls=urls,
            template="ContentSid" in form,
        )

    def _one(self, sid: str, request: RawRequest) -> Answer:
        record = self.records.get(sid)
        if record is None:
            return faults.NO_SUCH_RESOURCE.answer
        if request.method == "DELETE":
            del self.records[sid]
            return Answer(204)
        return _json(record.json())

    def _list(self, request: RawRequest) -> Answer:
        wanted = {"To": "to", "From": "sender"}
        found = [
            record
            for record in reversed(self.records.values())
            if all(getattr(record, ours) == request.param(theirs) for theirs, ours in wanted.items() if request.param(theirs))
        ]
        page = {"page": 0, "page_size": 50, "next_page_uri": None, "previous_page_uri": None, "uri": request.path}
        return _json({"messages": [record.json() for record in found], **page})

    # --------------------------------------------------------------------------------------------- media

    def _media(self, parent: str, steps: list[str], request: RawRequest, *, as_json: bool) -> Answer:
        stored = self.files.get(steps[0]) if steps else None
        if stored is None or stored.parent != parent:
            return faults.NO_SUCH_RESOURCE.answer
        if request.method == "DELETE":
            del self.files[steps[0]]
            return Answer(204)
        if stored.not_yet:
            stored.not_yet -= 1
            return faults.NO_SUCH_RESOURCE.answer
        if as_json:
            kind = {"account_sid": self.account.account_sid, "parent_sid": parent, "content_type": stored.file.mime_type}
            return _json({"sid": steps[0], **kind, "uri": request.path})
        return Answer(307, headers={"location": f"{self.account.api_base}/_files/{steps[0]}?Signature={stored.signature}"})

    def _stored(self, media_sid: str, request: RawRequest) -> Answer:
        """The file store behind: a signed address, and a refusal for whoever brings credentials along."""
        stored = self.files.get(media_sid)
        if stored is None or request.param("Signature") != stored.signature:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"content-type": "application/xml"})
        if request.headers.get("authorization"):
            message = b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
            return Answer(400, message, {"content-type": "application/xml"})
        return Answer(200, stored.file.content, {"content-type": stored.file.mime_type})

    def _store(self, file: SimFile, parent: str, not_yet: int = 0) -> str:
        sid = self._sid("ME")
        self.files[sid] = StoredFile(file, parent, not_yet, hex_of(f"{self.account.account_sid} {sid}", 24))
        return sid

    def _fetch_all(self, record: Record) -> tuple[ProviderCall, ...]:
        """Twilio fetches what we named, with no credentials, before it hands the message on."""
        calls = tuple(
            ProviderCall(id=f"{record.sid}.{index}", method="GET", url=url, purpose="fetch", lane=record.sid)
            for index, url in enumerate(record.media_urls)
        )
        self._fetches |= {call.id: (record.sid, index) for index, call in enumerate(calls)}
        return calls

    def _fetched(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        sid, index = self._fetches.pop(call.id)
        record = self.records.get(sid)
        if record is None or record.status in _FINAL:
            return ()
        if answer is None or answer.status != 200:
            return self._tell(record, "failed", now, 11200)
        file = _file(call.url, answer)
        if len(answer.body) > (self.max_picture_bytes if file.mime_type in _PICTURES else self.max_file_bytes):
            return self._tell(record, "undelivered", now, 30019)
        record.media.append(self._store(file, sid))
        return self._hand_on(record, now) if index + 1 == len(record.media_urls) else ()

    # --------------------------------------------------------------------------------------- handing on, receipts

    def _hand_on(self, record: Record, now: datetime) -> tuple[ProviderCall, ...]:
        """To the carrier, and from there to the phone if it is on."""
        queued = self._tell(record, "queued", now) if record.service else ()
        record.sent = now
        sent = self._tell(record, "sent", now)
        return (*queued, *sent, *(() if record.to in self.offline else self._deliver(record, now)))

    def _deliver(self, record: Record, now: datetime) -> tuple[ProviderCall, ...]:
        for index, media_sid in enumerate(record.media or [""]):
            self._show(
                record.to,
                Shown(
                    id=f"{record.sid}.{index}" if index else record.sid,
                    sender="them",
                    kind="notice" if record.outbox_id.startswith("ntc_") else "message",
                    text=(record.body or None) if not index else None,
                    at=now,
                    media=self._shown_file(media_sid) if media_sid else None,
                ),
            )
        return self._tell(record, "delivered", now)

    def _tell(self, record: Record, status: str, now: datetime, error: int | None = None) -> tuple[ProviderCall, ...]:
        """Set a status, and call back if an address was given."""
        record.status, record.error_code = status, error
        if not record.callback:
            return ()
        fields = {
            "MessageSid": record.sid,
            "SmsSid": record.sid,
            "AccountSid": record.account_sid,
            "From": record.sender,
            "To": record.to,
            "MessageStatus": status,
            "SmsStatus": status,
            **({"MessagingServiceSid": record.service} if record.service else {}),
            **({"ErrorCode": str(error)} if error else {}),
            **self.status_fields(status, now),
            "ApiVersion": "2010-04-01",
        }
        return (self._webhook(record.callback, fields, lane=record.sid),)

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """The parameters that this channel adds to a status callback."""
        return {}

    def mark_read(self, address: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Read receipts for everything that the phone has (channels that tell)."""
        unread = [record for record in self.records.values() if record.to == address and record.status == "delivered"]
        return tuple(call for record in unread for call in self._tell(record, "read", now))

    # -------------------------------------------------------------------------------------------- customers

    def act(self, action: Action, now: datetime) -> Outcome:
        """A customer does something."""
        doings: dict[str, Callable[[Action, datetime], Outcome]] = {
            "say": self._says,
            "offline": self._switches_off,
            "online": self._switches_on,
            **self.doings(),
        }
        if action.kind not in doings:
            raise CannotAct(f"the phone can't do that here: {action.kind}")
        return doings[action.kind](action, now)

    def doings(self) -> dict[str, Callable[[Action, datetime], Outcome]]:
        """What else a customer can do on this channel."""
        return {}

    def _switches_off(self, action: Action, now: datetime) -> Outcome:
        self.offline.add(self.address(action.customer))
        return Outcome()

    def _switches_on(self, action: Action, now: datetime) -> Outcome:
        address = self.address(action.customer)
        self.offline.discard(address)
        waiting = [record for record in self.records.values() if record.to == address and record.status == "sent"]
        return Outcome(calls=tuple(call for record in waiting for call in self._deliver(record, now)))

    def _says(self, action: Action, now: datetime) -> Outcome:
        if not (action.text or action.file):
            raise CannotAct("write something, or pick a file")
        return self.says(action, now, {"Body": action.text or ""}, action.file)

    def says(self, action: Action, now: datetime, extra: Mapping[str, str], file: SimFile | None = None) -> Outcome:
        """A message of the customer's: onto the handset, and to our webhook."""
        address = self.address(action.customer)
        sid = self._sid("MM" if file else "SM")
        media_sid = self._store(file, sid, int(action.details.get("late", 0))) if file else ""
        shown = Shown(id=sid, sender="me", text=action.text, at=now, status="sending", media=self._shown_file(media_sid))
        self._show(address, shown)
        read = self.on_looking(address, now)
        fields = self._inbound_fields(sid, address, media_sid) | self.fields(action) | dict(extra)
        fields |= self.heard(address, action, now) | {str(k): str(v) for k, v in action.details.get("extra", {}).items()}
        delay = float(action.details.get("delay_seconds", 0))
        calls = [
            self._webhook(self.hook, fields, lane=address, delay=delay, line=(address, sid))
            for _ in range(int(action.details.get("times", 1)))
        ]
        return Outcome(calls=(*read, *calls), line_id=sid)

    def on_looking(self, address: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Who writes has read what came before; SMS doesn't tell."""
        return ()

    def _inbound_fields(self, sid: str, address: str, media_sid: str) -> dict[str, str]:
        fields = {
            "ToCountry": "US",
            "SmsMessageSid": sid,
            "NumMedia": "1" if media_sid else "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": "",
            "To": self.own or "",
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self.account.account_sid,
            "From": address,
            "ApiVersion": "2010-04-01",
        }
        if self.account.messaging_service_sid:
            fields["MessagingServiceSid"] = self.account.messaging_service_sid
        if media_sid:
            fields["MediaContentType0"] = self.files[media_sid].file.mime_type
            fields["MediaUrl0"] = f"{self.account.resources}/Messages/{sid}/Media/{media_sid}"
        return fields

    # ---------------------------------------------------------------------------------------------- webhooks

    def _webhook(
        self, url: str, fields: Mapping[str, str], *, lane: str, delay: float = 0, line: tuple[str, str] | None = None
    ) -> ProviderCall:
        address, _, fragment = url.partition("#")
        if "Body" in fields:
            fields = {**fields, "NumSegments": str(segments(fields["Body"]))}
        call_id = f"call{self._next()}"
        self._hooks[call_id] = _Hook({name: values[0] for name, values in parse_qs(fragment).items()}, line)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Accept": "*/*",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": hex_of(f"{self.account.account_sid} {call_id}", 32),
            "X-Twilio-Signature": self._signature(address, fields),
        }
        return ProviderCall(call_id, "POST", address, headers, urlencode(fields).encode(), lane=lane, delay_seconds=delay)

    def _signature(self, url: str, fields: Mapping[str, str]) -> str:
        return compute(self.account.auth_tokens[0].get_secret_value(), url, SignedFields(fields.items()))

    def settled(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """What a call came to; a failed webhook is repeated as its address asked, by default only where nobody answered."""
        if call.id in self._fetches:
            return self._fetched(call, answer, now)
        hook = self._hooks.get(call.id.partition(".")[0])
        if hook is None:
            return ()
        if answer is not None and 200 <= answer.status < 300:
            self._mark(hook.line, "sent")
            return ()
        if _repeats(hook.overrides, answer) and call.attempt <= _attempts(hook.overrides):
            return (_repeated(call),)
        self._mark(hook.line, "failed")
        return ()

    # --------------------------------------------------------------------------------------------- handsets

    def refresh(self, customer: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Nothing: the phone has all that was delivered."""
        return ()

    def handset(self, customer: str) -> list[Shown]:
        """What the customer's phone shows, oldest first."""
        return list(self._lines.get(self.address(customer), {}).values())

    def file(self, file_id: str) -> SimFile | None:
        """A file that a handset shows."""
        stored = self.files.get(file_id)
        return stored.file if stored else None

    def reply(self, address: str, text: str, now: datetime) -> None:
        """An automatic text of Twilio's own, which passes by us."""
        self._show(
            address, Shown.model_validate({"id": self._sid("SM"), "from": "them", "text": text, "at": now, "automatic": True})
        )

    def _show(self, address: str, line: Shown) -> None:
        self._lines.setdefault(address, {})[line.id] = line

    def _mark(self, line: tuple[str, str] | None, status: str) -> None:
        lines = self._lines.get(line[0], {}) if line else {}
        if line and line[1] in lines and lines[line[1]].status != "sent":
            lines[line[1]] = lines[line[1]].model_copy(update={"status": status})

    def _shown_file(self, media_sid: str) -> dict[str, Any] | None:
        stored = self.files.get(media_sid)
        if stored is None:
            return None
        file = stored.file
        return {"name": file.name, "mime_type": file.mime_type, "size_bytes": len(file.content), "file_id": media_sid}

    # ------------------------------------------------------------------------------------------------- ids

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _sid(self, prefix: str) -> str:
        return f"{prefix}{hex_of(self.account.account_sid, 8)}{self._next():024x}"


def _json(members: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps(members).encode(), {"content-type": "application/json;charset=utf-8"})


def _file(url: str, answer: Answer) -> SimFile:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    mime_type = headers.get("content-type", "application/octet-stream").partition(";")[0].strip()
    return SimFile(name=unquote(urlsplit(url).path.rpartition("/")[2]) or "file", mime_type=mime_type, content=answer.body)


def _repeats(overrides: Mapping[str, str], answer: Answer | None) -> bool:
    policy = overrides.get("rp", "ct").split(",")
    happened: Iterable[str] = ("ct", "rt") if answer is None else (f"{answer.status // 100}xx",)
    return "all" in policy or any(one in policy for one in happened)


def _attempts(overrides: Mapping[str, str]) -> int:
    count = overrides.get("rc", "1")
    return min(int(count), 5) if count.isdecimal() else 1


def _repeated(call: ProviderCall) -> ProviderCall:
    """The same call once more: same bytes, same signature, same token."""
    return ProviderCall(
        id=f"{call.id.partition('.')[0]}.{call.attempt + 1}",
        method=call.method,
        url=call.url,
        headers=call.headers,
        body=call.body,
        lane=call.lane,
        delay_seconds=min(2.0 ** (call.attempt - 1), 8.0),
        attempt=call.attempt + 1,
    )
