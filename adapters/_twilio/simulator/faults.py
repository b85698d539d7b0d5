"""What Twilio refuses when a message is created, with its own words and codes.

Source: Twilio, "Messages resource" and "Error and Warning Dictionary".
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from adapters.contract import Answer

JSON: Final = {"content-type": "application/json;charset=utf-8"}
MAX_BODY: Final = 1_600
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_WHATSAPP: Final = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14}|[A-Z]{2}\.[A-Za-z0-9]+)")
_PARAMETERS: Final = frozenset(
    [
        "To",
        "From",
        "MessagingServiceSid",
        "Body",
        "MediaUrl",
        "ContentSid",
        "ContentVariables",
        "StatusCallback",
        "ApplicationSid",
        "MaxPrice",
        "ProvideFeedback",
        "Attempt",
        "ValidityPeriod",
        "ForceDelivery",
        "ContentRetention",
        "AddressRetention",
        "SmartEncoded",
        "PersistentAction",
        "TrafficType",
        "ShortenUrls",
        "ScheduleType",
        "SendAt",
        "SendAsMms",
        "RiskCheck",
        "FallbackFrom",
    ]
)
# Twilio's own test numbers: https://www.twilio.com/docs/iam/test-credentials
MAGIC: Final[Mapping[str, tuple[int, str]]] = {
    "+15005550001": (21211, "Invalid 'To' Phone Number"),
    "+15005550002": (21612, "Message cannot be sent with the current combination of 'To' and/or 'From' parameters"),
    "+15005550003": (21408, "Permission to send an SMS or MMS has not been enabled for the region indicated by the 'To' number"),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number is not a valid mobile number"),
}


@dataclass(frozen=True)
class Fault:
    """One refusal, in the shape of Twilio's REST errors."""

    code: int
    message: str
    status: int = 400

    @property
    def answer(self) -> Answer:
        """`{"code", "message", "more_info", "status"}`."""
        body = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return Answer(self.status, json.dumps(body).encode(), {**JSON, "x-twilio-error-code": str(self.code)})


NO_SUCH_RESOURCE: Final = Fault(20404, "The requested resource was not found", 404)
NOT_AUTHENTICATED: Final = Fault(20003, "Authenticate", 401)
TOO_MANY: Final = Fault(20429, "Too Many Requests", 429)
OPTED_OUT: Final = Fault(21610, "Attempt to send to unsubscribed recipient")

Form = Mapping[str, list[str]]


def in_message(form: Form, *, own: Collection[str], service: str | None) -> Fault | None:
    """The first thing that Twilio would refuse in the parameters of a new message, or None."""
    return _in_parameters(form) or _in_addresses(form, own, service) or _in_content(form)


def _one(form: Form, name: str) -> str:
    return form.get(name, [""])[0]


def _in_parameters(form: Form) -> Fault | None:
    """The real Twilio passes over names that it doesn't know; here they are a fault, as they are always a slip of ours."""
    if strange := sorted(set(form) - _PARAMETERS):
        return Fault(20001, f"Unknown parameter: {strange[0]}")
    if twice := sorted(name for name, values in form.items() if len(values) > 1 and name not in ("MediaUrl", "PersistentAction")):
        return Fault(20001, f"{twice[0]} was given more than once")
    validity = _one(form, "ValidityPeriod")
    if validity and not (validity.isascii() and validity.isdigit() and 1 <= int(validity) <= 36_000):
        return Fault(20001, "ValidityPeriod must be between 1 and 36000")
    callback = _one(form, "StatusCallback")
    if callback and not _callable(callback):
        return Fault(21609, f"The StatusCallback URL {callback} is not a valid URL.")
    return None


def _callable(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "_")


def _in_addresses(form: Form, own: Collection[str], service: str | None) -> Fault | None:
    to, sender = _one(form, "To"), _one(form, "From")
    if not to:
        return Fault(21604, "A 'To' phone number is required.")
    if fault := MAGIC.get(to):
        return Fault(*fault)
    if not (_PHONE.fullmatch(to) or _WHATSAPP.fullmatch(to) or _SHORT_CODE.fullmatch(to)):
        return Fault(21211, f"The 'To' number {to} is not a valid phone number.")
    if _one(form, "MessagingServiceSid"):
        if _one(form, "MessagingServiceSid") != service:
            return Fault(21705, "The Messaging Service Sid is invalid.")
        if not sender:
            return None
    if not sender:
        return Fault(21603, "A 'From' phone number is required.")
    if sender.startswith("whatsapp:") != to.startswith("whatsapp:"):
        return Fault(21910, "Invalid From and To pair. From and To should be of the same channel")
    if sender not in own:
        if sender.startswith("whatsapp:"):
            return Fault(63007, "Twilio could not find a Channel with the specified From address")
        return Fault(
            21606, f"The 'From' phone number {sender} is not a valid, SMS-capable inbound phone number for your account."
        )
    return None


def _in_content(form: Form) -> Fault | None:
    body, files = _one(form, "Body"), form.get("MediaUrl", [])
    if not (body or files or _one(form, "ContentSid")):
        return Fault(21602, "Message body is required.")
    if len(body) > MAX_BODY:
        return Fault(21617, "The concatenated message body exceeds the 1600 character limit")
    if len(files) > (1 if _one(form, "To").startswith("whatsapp:") else 10):
        return Fault(21623, "Number of media files exceeds allowed limit")
    if not all(_callable(url) for url in files):
        return Fault(21620, "Invalid media URL(s)")
    return None
