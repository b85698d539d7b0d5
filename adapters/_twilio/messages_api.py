"""The simulated Twilio's Messages API: what it takes and refuses, and what becomes of a message on its way to the phone.

With a messaging service a message is first accepted, and an opt-out told only in a callback.
Sources: Twilio, "Messages resource", "Track the Message Status of Outbound Messages".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, TypeAlias

from adapters._twilio import faults, files, wire
from adapters._twilio.account import TwilioAccount
from adapters._twilio.faults import Fault
from adapters._twilio.files import Files
from adapters._twilio.ledger import Handsets, Ids, Record
from adapters._twilio.mischief import Mischief
from adapters._twilio.webhooks import Webhooks
from adapters.contract import Answer, RawRequest
from adapters.signing import same
from adapters.simulation import Action, Outcome, ProviderCall, Shown, SimFile

Doing: TypeAlias = Callable[[Action, datetime], Outcome]
_FINAL: Final = ("delivered", "undelivered", "failed", "read", "canceled")


class MessagesApi:
    """One account with one sender, as our calls see it."""

    requests_per_second: ClassVar[int] = 100
    # What Twilio takes of each kind of file, in bytes; `*` for the kinds that aren't named.
    max_bytes: ClassVar[Mapping[str, int]] = {"*": 500_000}

    def __init__(self, account: TwilioAccount, own: str | None) -> None:
        self.account = account
        self.own = own
        self.numbers = {own} if own else set()  # of ours: those of a service's that were written to are known with it
        self.ids = Ids(account.account_sid)
        self.files = Files(account, self.ids)
        self.handsets = Handsets()
        self.webhooks = Webhooks(account, self.ids)
        self.records: dict[str, Record] = {}
        self.opted_out: set[str] = set()
        self.offline: set[str] = set()
        self.mischief: list[Mischief] = []
        self._fetches: dict[str, tuple[str, int]] = {}
        self._calls_at: list[datetime] = []

    # -------------------------------------------------------------------------------------- what channels add

    def refusal(self, record: Record, now: datetime) -> Fault | None:
        """What is refused beyond the Messages API's own rules: at once without a service, else in a callback."""
        return faults.OPTED_OUT if record.to in self.opted_out else None

    def late_refusal(self, record: Record, now: datetime) -> int | None:
        """The code of what is refused by callback alone."""
        return None

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """The parameters that this channel adds to a status callback."""
        return {}

    # --------------------------------------------------------------------------------------------- our calls

    def handle(self, request: RawRequest, now: datetime) -> Outcome:
        """Our call to Twilio's API."""
        if request.path.startswith(files.STORE):
            return Outcome(self.files.content(request))
        if not self._authenticated(request):
            return Outcome(faults.NOT_AUTHENTICATED.answer)
        if self._too_fast(now):
            return Outcome(faults.TOO_MANY.answer)
        return self.route(request, now) or Outcome(faults.NO_SUCH_RESOURCE.answer)

    def route(self, request: RawRequest, now: datetime) -> Outcome | None:
        """The answer of the resource at that path; None where there is none."""
        root = f"/2010-04-01/Accounts/{self.account.account_sid}/Messages"
        if not request.path.startswith(root):
            return None
        steps = [step for step in request.path.removeprefix(root).removesuffix(".json").split("/") if step]
        if not steps:
            return self._create_or_not(request, now) if request.method == "POST" else Outcome(self._list(request))
        if steps[1:2] == ["Media"]:
            return Outcome(self.files.resource(steps[0], steps[2:], request))
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

    def _create_or_not(self, request: RawRequest, now: datetime) -> Outcome:
        befalls = self.mischief.pop(0) if self.mischief else Mischief()
        return befalls.upon(Outcome() if befalls.refuses else self._create(request, befalls.error, now))

    def _create(self, request: RawRequest, error: int | None, now: datetime) -> Outcome:
        form = _form(request)
        if fault := faults.in_message(form, own=self.numbers, service=self.account.messaging_service_sid):
            return Outcome(fault.answer)
        record = self._record(form, now)
        refusal = self.refusal(record, now)
        if refusal and not record.service:
            return Outcome(refusal.answer)
        self.records[record.sid] = record
        answer = _json(record.json(), 201)
        late = error or (refusal.code if refusal else None) or self.late_refusal(record, now)
        if late:
            return Outcome(answer, (*self._queued(record, now), *self._tell(record, "failed", now, late)))
        return Outcome(answer, self._fetch_all(record) or self._hand_on(record, now))

    def _record(self, form: Mapping[str, list[str]], now: datetime) -> Record:
        service = form.get("MessagingServiceSid", [""])[0] or None
        urls = form.get("MediaUrl", [])
        return Record(
            sid=self.ids.sid("MM" if urls else "SM"),
            account_sid=self.account.account_sid,
            to=form["To"][0],
            sender=form.get("From", [(self.own or "") if service else ""])[0],
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
        wanted = {ours: request.param(theirs) for theirs, ours in (("To", "to"), ("From", "sender"))}
        found = [
            record.json()
            for record in reversed(self.records.values())
            if all(value in (None, getattr(record, name)) for name, value in wanted.items())
        ]
        page = {"page": 0, "page_size": 50, "next_page_uri": None, "previous_page_uri": None, "uri": request.path}
        return _json({"messages": found, **page})

    # -------------------------------------------------------------------------------------- handing on, receipts

    def _fetch_all(self, record: Record) -> tuple[ProviderCall, ...]:
        """Twilio fetches what we named, with no credentials, before it hands the message on."""
        calls = tuple(
            ProviderCall(id=f"{record.sid}.{index}", method="GET", url=url, purpose="fetch", lane=record.sid)
            for index, url in enumerate(record.media_urls)
        )
        self._fetches |= {call.id: (record.sid, index) for index, call in enumerate(calls)}
        return calls

    def fetched(self, call: ProviderCall, answer: Answer | None, now: datetime) -> tuple[ProviderCall, ...]:
        """A file of ours came, or didn't."""
        sid, index = self._fetches.pop(call.id, ("", 0))
        record = self.records.get(sid)
        if record is None or record.status in _FINAL:
            return ()
        if answer is None or answer.status != 200:
            return self._tell(record, "failed", now, 11200)
        file = files.fetched(call.url, answer)
        if fault := self.file_fault(file):
            return self._tell(record, "undelivered", now, fault)
        record.media.append(self.files.store(file, sid))
        return self._hand_on(record, now) if index + 1 == len(record.media_urls) else ()

    def file_fault(self, file: SimFile) -> int | None:
        """The code of what is wrong with a fetched file."""
        return 30019 if len(file.content) > self.max_bytes.get(file.mime_type, self.max_bytes["*"]) else None

    def _hand_on(self, record: Record, now: datetime) -> tuple[ProviderCall, ...]:
        """To the carrier, and from there to the phone if it is on."""
        record.sent = now
        sent = (*self._queued(record, now), *self._tell(record, "sent", now))
        return (*sent, *(() if record.to in self.offline else self.deliver(record, now)))

    def _queued(self, record: Record, now: datetime) -> tuple[ProviderCall, ...]:
        """Only a service tells this step."""
        return self._tell(record, "queued", now) if record.service else ()

    def deliver(self, record: Record, now: datetime) -> tuple[ProviderCall, ...]:
        """Onto the phone."""
        for index, media_sid in enumerate(record.media or [""]):
            line = Shown(
                id=f"{record.sid}.{index}" if index else record.sid,
                sender="them",
                kind="notice" if record.outbox_id.startswith("ntc_") else "message",
                text=(record.body or None) if not index else None,
                at=now,
                media=self.files.shown(media_sid),
            )
            self.handsets.show(record.to, line)
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
        return (self.webhooks.make(record.callback, fields, lane=record.sid),)

    def mark_read(self, address: str, now: datetime) -> tuple[ProviderCall, ...]:
        """Read receipts for everything that the phone has (channels that tell)."""
        unread = [record for record in self.records.values() if record.to == address and record.status == "delivered"]
        return tuple(call for record in unread for call in self._tell(record, "read", now))


def _json(members: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps(members).encode(), faults.JSON)


def _form(request: RawRequest) -> dict[str, list[str]]:
    """The fields of a form; of anything else none, which is then what is complained about."""
    form: dict[str, list[str]] = {}
    for name, value in wire.pairs(request.body) if wire.is_form(request) else ():
        form.setdefault(name, []).append(value)
    return form
