"""The simulated Twilio's Messages API: what it takes and refuses, and what becomes of a message on its way to the phone.

With a messaging service a message is first accepted, and an opt-out told only in a callback. By default a webhook is repeated once,
and only where no connection came about; an answer of 4xx or 5xx, or none in time, is final. The fragment of the address changes that:
`#rc=5&rp=all`. Sources: Twilio, "Messages resource", "Track the Message Status of Outbound Messages", "Connection Overrides".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlencode

from pydantic import Field

from adapters._twilio import wire
from adapters._twilio.account import TwilioAccount
from adapters._twilio.signature import compute
from adapters._twilio.simulator import faults
from adapters._twilio.simulator.faults import Fault
from adapters._twilio.simulator.files import STORE, Files
from adapters._twilio.simulator.records import Record
from adapters.contract import Answer, RawRequest
from adapters.signing import same
from adapters.simulation import (
    LATER,
    FromZero,
    Phone,
    Provider,
    ProviderCall,
    Refused,
    Seconds,
    Shown,
    SimFile,
    Wishes,
    hex_of,
    media_of,
    stem,
)

_FINAL: Final = ("delivered", "undelivered", "failed", "read", "canceled")
_MAX_RETRIES: Final = 5
_WORDS: Final = {429: (20429, "Too Many Requests"), 500: (20500, "Internal Server Error"), 503: (20503, "Service unavailable")}


class TwilioWishes(Wishes):
    """`again_seconds`: the repeats come so much after the first; `unordered`: not behind the customer's other messages; `extra`
    parameters; `late`: how often its file is not there yet; `token`: which of the account's tokens signs, while they rotate."""

    plays: ClassVar = LATER
    again_seconds: Seconds = 0.0
    unordered: bool = False
    extra: dict[str, str | int | float] = Field(default_factory=dict)
    late: FromZero = 0
    token: FromZero = 0

    def deliveries(self, call: ProviderCall) -> Iterable[ProviderCall]:
        """What comes later keeps nobody waiting."""
        for count, one in enumerate(super().deliveries(call)):
            later = self.again_seconds if count else 0.0
            lane = f"{call.lane} {one.id}" if self.unordered or later else one.lane
            yield replace(one, lane=lane, delay_seconds=one.delay_seconds + later)


class Messages(Provider[TwilioAccount, Phone, TwilioWishes]):
    """One account with one sender, as our calls see it."""

    wishes = TwilioWishes
    requests_per_second: ClassVar[int] = 100
    # What Twilio takes of each kind of file, in bytes; `*` for the kinds that aren't named.
    max_bytes: ClassVar[Mapping[str, int]] = {"*": 500_000}

    def __init__(self, account: TwilioAccount, own: str | None) -> None:
        super().__init__(account)
        self.own = own
        self.numbers = {own} if own else set()  # of ours: those of a service's that were written to are known with it
        self.store = Files(account, self)
        self.records: dict[str, Record] = {}
        self.opted_out: set[str] = set()
        self._overrides: dict[str, Mapping[str, str]] = {}
        self._calls_at: list[datetime] = []

    def sid(self, prefix: str) -> str:
        """The next id of that kind: SM, MM, ME …"""
        return f"{prefix}{hex_of(self.account.account_sid, 8)}{self.next_number():024x}"

    # -------------------------------------------------------------------------------------- what channels add

    def refusal(self, record: Record, now: datetime) -> Fault | None:
        """What is refused beyond the Messages API's own rules: at once without a service, else in a callback."""
        return faults.OPTED_OUT if record.to in self.opted_out else None

    def late_refusal(self, record: Record, phone: Phone, now: datetime) -> int | None:
        """The code of what is refused by callback alone."""
        return None

    def status_fields(self, status: str, now: datetime) -> dict[str, str]:
        """The parameters that this channel adds to a status callback."""
        return {}

    # --------------------------------------------------------------------------------------------- our calls

    def answer(self, request: RawRequest, now: datetime) -> Answer:
        """Our call to Twilio's API."""
        if request.path.startswith(STORE):
            return self.store.content(request)
        if not self._authenticated(request):
            return faults.NOT_AUTHENTICATED.answer
        if self._too_fast(now):
            return faults.TOO_MANY.answer
        return self.route(request, now) or faults.NO_SUCH_RESOURCE.answer

    def trouble(self, status: int) -> Answer:
        """In Twilio's words."""
        code, words = _WORDS.get(status, (20001, "Bad request"))
        return Fault(code, words, status).answer

    def route(self, request: RawRequest, now: datetime) -> Answer | None:
        """The answer of the resource at that path; None where there is none."""
        root = f"/2010-04-01/Accounts/{self.account.account_sid}/Messages"
        if not request.path.startswith(root):
            return None
        steps = [step for step in request.path.removeprefix(root).removesuffix(".json").split("/") if step]
        if not steps:
            return self._create(request, now) if request.method == "POST" else self._list(request)
        if steps[1:2] == ["Media"]:
            return self.store.resource(steps[0], steps[2:], request)
        return self._one(steps[0], request) if len(steps) == 1 else None

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

    def _create(self, request: RawRequest, now: datetime) -> Answer:
        befalls, form = self.befall(), _form(request)
        if fault := faults.in_message(form, own=self.numbers, service=self.account.messaging_service_sid):
            raise Refused(fault.answer)
        record = self._record(form, now)
        refusal = self.refusal(record, now)
        if refusal and not record.service:
            raise Refused(refusal.answer)
        self.records[record.sid] = record
        answer = _json(record.json(), 201)
        late = (befalls.error if befalls else None) or (refusal.code if refusal else None)
        if late := late or self.late_refusal(record, self._phone_at(record.to), now):
            self._queued(record, now)
            self._tell(record, "failed", now, late)
        elif record.media_urls:
            self._fetch_all(record)
        else:
            self._hand_on(record, now)
        return answer

    def _record(self, form: Mapping[str, list[str]], now: datetime) -> Record:
        service = form.get("MessagingServiceSid", [""])[0] or None
        urls = form.get("MediaUrl", [])
        return Record(
            sid=self.sid("MM" if urls else "SM"),
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

    def _phone_at(self, address: str) -> Phone:
        """The phone with that number; there is one at every number, whether it has written or not."""
        return self.phones.setdefault(address, Phone("", address))

    def _fetch_all(self, record: Record) -> None:
        """Twilio fetches what we named, with no credentials, before it hands the message on."""
        for n, url in enumerate(record.media_urls, 1):
            self.bring(url, record.sid, partial(self._fetched, record, n == len(record.media_urls)))

    def _fetched(self, record: Record, last: bool, file: SimFile | None, now: datetime) -> None:
        if record.sid not in self.records or record.status in _FINAL:
            return
        if file is None:
            self._tell(record, "failed", now, 11200)
        elif fault := self.file_fault(file):
            self._tell(record, "undelivered", now, fault)
        else:
            record.media.append(self.store.keep(file, record.sid))
            if last:
                self._hand_on(record, now)

    def file_fault(self, file: SimFile) -> int | None:
        """The code of what is wrong with a fetched file."""
        return 30019 if len(file.content) > self.max_bytes.get(file.mime_type, self.max_bytes["*"]) else None

    def _hand_on(self, record: Record, now: datetime) -> None:
        """To the carrier, and from there onto the phone when it is on."""
        record.sent = now
        self._queued(record, now)
        self._tell(record, "sent", now)
        notice = record.outbox_id.startswith("ntc_")
        for n, media_sid in enumerate(record.media or [""]):
            media = media_of(self.files[media_sid], media_sid) if media_sid else None
            line_id, text = (f"{record.sid}.{n}", None) if n else (record.sid, record.body or None)
            kind: Any = "notice" if notice else "message"
            self.show(self._phone_at(record.to), line_id, now, text=text, kind=kind, media=media)

    def _queued(self, record: Record, now: datetime) -> None:
        """Only a service tells this step."""
        if record.service:
            self._tell(record, "queued", now)

    def reached(self, phone: Phone, line: Shown, now: datetime) -> None:
        """Delivered, with its first line."""
        if record := self.records.get(line.id):
            self._tell(record, "delivered", now)

    def _tell(self, record: Record, status: str, now: datetime, error: int | None = None) -> None:
        """Set a status, and call back if an address was given."""
        record.status, record.error_code = status, error
        if not record.callback:
            return
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
        self.call_us(record.callback, fields, record.sid, now)

    def tell_read(self, line_ids: Iterable[str], now: datetime) -> None:
        """Read receipts for these lines (channels that tell)."""
        for line_id in line_ids:
            if record := self.records.get(line_id):
                self._tell(record, "read", now)

    # ----------------------------------------------------------------------------------------------- webhooks

    def headers(self, body: bytes, number: int, now: datetime) -> Mapping[str, str]:
        """What every call has; the signature is over the address, too."""
        return {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Accept": "*/*",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": hex_of(f"{self.account.account_sid} {number}", 32),
        }

    def call_us(
        self,
        url: str,
        fields: Mapping[str, str],
        lane: str,
        now: datetime,
        wishes: TwilioWishes | None = None,
        lines: tuple[tuple[Phone, str], ...] = (),
    ) -> None:
        """A signed form to that address, repeated as its fragment asks."""
        address, _, fragment = url.partition("#")
        secret = self.account.auth_tokens[wishes.token if wishes else 0].get_secret_value()
        call = self.webhook(urlencode(fields).encode(), lane, now)
        headers = {**call.headers, "X-Twilio-Signature": compute(secret, address, fields.items())}
        self._overrides[call.id] = {name: values[0] for name, values in parse_qs(fragment).items()}
        self.send(replace(call, url=address, headers=headers), now, wishes, lines)

    def again(self, call: ProviderCall, answer: Answer | None, now: datetime) -> ProviderCall | None:
        """No answer at all may be a refused connection or a late answer; it counts as either."""
        overrides = self._overrides[stem(call.id)]
        policy, count = overrides.get("rp", "ct").split(","), overrides.get("rc", "1")
        happened = ("ct", "rt") if answer is None else (f"{answer.status // 100}xx",)
        most = min(int(count), _MAX_RETRIES) if count.isdecimal() else 1
        if call.attempt > most or not ("all" in policy or any(one in policy for one in happened)):
            return None
        return self.repeated(call, min(2.0 ** (call.attempt - 1), 8.0))


def _json(members: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps(members).encode(), faults.JSON)


def _form(request: RawRequest) -> dict[str, list[str]]:
    """The fields of a form; of anything else none, which is then what is complained about."""
    form: dict[str, list[str]] = {}
    for name, value in wire.pairs(request.body) if wire.is_form(request) else ():
        form.setdefault(name, []).append(value)
    return form
