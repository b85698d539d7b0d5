"""SMS and MMS going out. There are no quotes, no typing and no names of speakers here: what is said is said in the text."""

from __future__ import annotations

from datetime import datetime

from adapters._twilio.outbound import body_and_file, create, media, refuse_opted_out
from adapters.contract import Flow, Sent
from adapters.envelope import Notice, Outbound, OutboundFile, Say, TypingSignal
from adapters.errors import Unsupported
from adapters.sms.account import TwilioAccount


def send(message: Outbound, account: TwilioAccount, now: datetime) -> Flow[Sent]:
    """Send one message or notice. Raises SendFailed before any call to a customer who has opted out, Unsupported for typing."""
    if isinstance(message, TypingSignal):
        raise Unsupported("SMS can't show typing")
    refuse_opted_out(message)
    text, file = (message.text, None) if isinstance(message, Notice) else _words(message, account)
    return (yield from create(message, account, now, account.number, body_and_file(text, file)))


def _words(message: Say, account: TwilioAccount) -> tuple[str | None, OutboundFile | None]:
    """Text and file. If MMS isn't available, the file's address is put into the text."""
    file = message.file
    if file is None or message.to.startswith(account.mms_prefixes):
        return message.text, file
    return "\n".join(filter(None, [message.text, f"{file.name}: {file.url}"])), None


__all__ = ["media", "send"]
