"""Checks that nothing is taken which the provider did not send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from adapters.conformance.cases import require
from adapters.conformance.samples import HOSTILE
from adapters.conformance.secrets import emptied, secrets_in
from adapters.conformance.subject import Subject
from adapters.contract import RawRequest
from adapters.errors import NotAuthentic


def check_unsigned_is_refused(subject: Subject) -> None:
    """Without any proof: NotAuthentic with status 401."""
    for case in subject.events:
        refused = refusal(subject, without(case.request, subject.proof_headers))
        require(refused is not None, f"{case.name}: taken without a proof")
        require(refused is None or refused.status == 401, f"{case.name}: no proof came, so the status must be 401")


def check_one_byte_changed_is_refused(subject: Subject) -> None:
    """One byte of what the proof covers is another: NotAuthentic."""
    for case in subject.events:
        for other in changed(subject, case.request):
            require(refusal(subject, other), f"{case.name}: taken though a byte was changed: {other.body[:200]!r}")


def check_hostile_signatures_are_refused(subject: Subject) -> None:
    """Whatever stands in the proof's headers ends in NotAuthentic; garbage in any other header, in that or in nothing."""
    for case in subject.events:
        for name in subject.proof_headers:
            for value in HOSTILE:
                forged = replace(case.request, headers={**case.request.headers, name: value})
                require(refusal(subject, forged), f"{case.name}: taken with {name}: {value[:40]!r}")
        for name in set(case.request.headers) - set(subject.proof_headers):
            for value in HOSTILE:
                refusal(subject, replace(case.request, headers={**case.request.headers, name: value}))


def check_no_secret_no_entry(subject: Subject) -> None:
    """An account whose secrets are missing takes nothing."""
    empty = {name: emptied(value) for name, value in subject.account if any(secrets_in(value))}
    bare = replace(subject, account=subject.account.model_copy(update=empty))
    for case in subject.events if empty else ():
        require(refusal(bare, case.request), f"{case.name}: taken by an account without secrets")


def check_second_secret(subject: Subject) -> None:
    """While a secret is rotated, the old one and the new one are both good; before that, the new one is not."""
    rotated = replace(subject, account=subject.rotate(subject.account))
    require(rotated.account != subject.account, "the account has no secret that rotates: give the suite a `rotate`, or skip this")
    for case in subject.events:
        fresh = rotated.sign(case.request, rotated.account)
        require(refusal(rotated, case.request) is None, f"{case.name}: the old secret is refused while both are there")
        require(refusal(rotated, fresh) is None, f"{case.name}: the new secret is refused")
        require(refusal(subject, fresh), f"{case.name}: a secret that we don't know is accepted")


def changed(subject: Subject, request: RawRequest) -> Iterator[RawRequest]:
    """Letters and digits only: a form may spell other bytes in two ways that mean the same."""
    if subject.body_is_signed:
        spots = [index for index, byte in enumerate(request.body) if chr(byte).isalnum() and byte < 128]
        for spot in spots[:: max(1, len(spots) // 40)]:
            yield replace(request, body=_with_byte(request.body, spot))
    for name in subject.proof_headers:
        value = request.headers.get(name, "")
        # The last letters of base64 may carry bits that mean nothing, so a middle one.
        spots = [index for index, letter in enumerate(value) if letter.isascii() and letter.isalnum()]
        if spots and value.isascii():
            other = _with_byte(value.encode(), spots[len(spots) * 2 // 3]).decode()
            yield replace(request, headers={**request.headers, name: other})


def _with_byte(data: bytes, spot: int) -> bytes:
    """Another letter or digit there, and not the same letter in the other case."""
    alphabet = b"0123456789" if chr(data[spot]).isdigit() else b"klmnopqrstuvwxyz"
    other = alphabet[(alphabet.find(data[spot : spot + 1].lower()) + 1) % len(alphabet)]
    return data[:spot] + bytes([other]) + data[spot + 1 :]


def refusal(subject: Subject, request: RawRequest) -> NotAuthentic | None:
    """The refusal that verifying ends in, or None; any other error comes through."""
    try:
        subject.adapter.verify(request, subject.account, request.received_at)
    except NotAuthentic as refusal:
        return refusal
    return None


def without(request: RawRequest, names: Sequence[str]) -> RawRequest:
    """The request without these headers."""
    return replace(request, headers={key: value for key, value in request.headers.items() if key not in names})
