"""M3: what the customer is told of reps who come and go: in which words, whether at all, and when.

A leave notice waits for `leave_notice_hold_seconds`: a rep who comes back within it was never gone for the customer, so neither
notice is sent. A transfer has one notice for both. What the channel can't carry now is recorded as skipped, and stops nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from adapters.envelope import Speaker
from gateway.session.commands import TimerKind
from gateway.session.decision import Facts
from gateway.session.draft import Draft
from gateway.session.model import ChannelFacts, EntryKind, HeldNotice, Login, Session, Visibility
from gateway.session.notice_texts import TEXTS
from gateway.session.outward import NoticeCode, PublicEntry, outgoing_for, speaker_id

ANY_LOCALE = "*"
_PLACE = re.compile(r"\{(name|from|to)\}")

# CLDR's parents that cutting off the last subtag doesn't give (supplemental data, parentLocales).
_LATIN_AMERICA = (
    "AR",
    "BO",
    "BR",
    "BZ",
    "CL",
    "CO",
    "CR",
    "CU",
    "DO",
    "EC",
    "GT",
    "HN",
    "MX",
    "NI",
    "PA",
    "PE",
    "PR",
    "PY",
    "SV",
    "US",
    "UY",
    "VE",
)
_PARENTS: dict[str, str | None] = {
    **{f"es-{country}": "es-419" for country in _LATIN_AMERICA},
    **{f"pt-{country}": "pt-PT" for country in ("AO", "CH", "CV", "GQ", "GW", "LU", "MO", "MZ", "ST", "TL")},
    "zh-Hant": None,  # readers of traditional script aren't served by simplified
}


def m3_locales(*locales: str) -> Iterator[str]:
    """Where to look for a text: each locale followed by its parents (`pt-BR`, `pt`), nothing twice."""
    seen: set[str] = set()
    for start in locales:
        at: str | None = _tidy(start)
        while at:
            if at not in seen:
                seen.add(at)
                yield at
            at = _PARENTS[at] if at in _PARENTS else at.rpartition("-")[0]


def m3_template(channel: ChannelFacts, locale: str, code: NoticeCode) -> str | None:
    """The text to use, or None when the notice is off.

    First the channel's own text for the customer's locale or its parents; then its text under `*`, which stands for all locales
    without an own one; then what is nearest in customer's locale, channel's default locale, English: own or built-in. None as a
    text switches the notice off there.
    """
    own = {ANY_LOCALE if key == ANY_LOCALE else _tidy(key): texts for key, texts in channel.notices.items()}
    for at in (*m3_locales(locale), ANY_LOCALE):
        if code in own.get(at, {}):
            return own[at][code]
    for at in m3_locales(locale, channel.locale, "en"):
        texts = {**TEXTS.get(at, {}), **own.get(at, {})}
        if code in texts:
            return texts[code]
    return None


def m3_fill(template: str, names: Mapping[str, str]) -> str:
    """Put the names in, in one pass: a name that looks like a place is a name."""
    return _PLACE.sub(lambda place: names.get(place[1], place[0]), template)


def m3_joined(draft: Draft, login: Login) -> None:
    """Announce a rep who joined, the first one after routing too; not one who left a moment ago."""
    if _drop_held(draft, login):
        return
    _notify(draft, "joined", about_rep(draft.session, draft.facts, login))


def m3_left(draft: Draft, login: Login, name: str) -> None:
    """Hold the leave notice for the coalescing window; without a window, send it at once."""
    hold = draft.facts.settings.leave_notice_hold_seconds
    if hold <= 0:
        _notify(draft, "left", _about(draft.session, draft.facts, login, name))
        return
    due_at = draft.after(hold)
    draft.change(held_notices=(*draft.session.held_notices, HeldNotice(rep=login, name=name, due_at=due_at)))
    draft.set_timer(TimerKind.leave_notice, login, due_at)


def m3_hold_over(draft: Draft, login: str) -> None:
    """The rep has not come back: tell it now."""
    held = next((h for h in draft.session.held_notices if h.rep == login), None)
    if held is None:
        return
    if not draft.facts.has_come(held.due_at):  # an old timer; the notice was held again since
        draft.set_timer(TimerKind.leave_notice, login, held.due_at)
        return
    draft.change(held_notices=tuple(h for h in draft.session.held_notices if h.rep != login))
    _notify(draft, "left", _about(draft.session, draft.facts, held.rep, held.name))


def m3_transferred(draft: Draft, giver: Login, giver_name: str, taker: Login) -> None:
    """One notice for both; what was held of the two is swallowed by it."""
    _drop_held(draft, taker)
    about = about_rep(draft.session, draft.facts, taker)
    _notify(draft, "transferred", about, giver_name=giver_name)


def m3_flush(draft: Draft) -> None:
    """The session ends: what is held is true, so it is told now."""
    for held in draft.session.held_notices:
        draft.cancel_timer(TimerKind.leave_notice, held.rep)
        _notify(draft, "left", _about(draft.session, draft.facts, held.rep, held.name))
    draft.change(held_notices=())


def m3_silence(draft: Draft) -> None:
    """The customer has ended it: nothing more is sent."""
    for held in draft.session.held_notices:
        draft.cancel_timer(TimerKind.leave_notice, held.rep)
    draft.change(held_notices=())


def m3_state(draft: Draft, code: NoticeCode) -> None:
    """`waiting` or `ended`: sent where the channel's config has a text for it."""
    _notify(draft, code, None)


def about_rep(session: Session, facts: Facts, login: Login) -> Speaker:
    """The rep as customers may know them: public name, opaque id, picture."""
    member = next((p.name for p in session.reps if p.id == login), None)
    rep = facts.reps.get(login)
    return _about(session, facts, login, member or (rep.name if rep is not None else ""))


def _about(session: Session, facts: Facts, login: Login, name: str) -> Speaker:
    rep = facts.reps.get(login)
    return Speaker(id=speaker_id(session.org, login), name=name, avatar_url=rep.avatar_url if rep is not None else None)


def _notify(draft: Draft, code: NoticeCode, about: Speaker | None, giver_name: str = "") -> None:
    channel = draft.facts.channel
    template = m3_template(channel, draft.session.locale, code)
    if template is None:
        return
    name = about.name if about is not None else ""
    text = m3_fill(template, {"name": name, "from": giver_name, "to": name})
    details: dict[str, JsonValue] = {"code": code}
    if about is not None:
        details["about"] = {"id": about.id, "name": about.name}
    if not channel.can_notify:
        reason = channel.cannot_notify_reason or "The channel can't carry notices now."
        draft.write(EntryKind.notice, Visibility.reps, text=text, details=details | {"skipped": reason})
        return
    entry = draft.write(EntryKind.notice, Visibility.everyone, text=text, details=details)
    draft.outgoing.append(outgoing_for(PublicEntry(entry), code=code, about=about))


def _drop_held(draft: Draft, login: Login) -> bool:
    """Drop a held leave notice. Returns whether there was one."""
    rest = tuple(h for h in draft.session.held_notices if h.rep != login)
    if len(rest) == len(draft.session.held_notices):
        return False
    draft.change(held_notices=rest)
    draft.cancel_timer(TimerKind.leave_notice, login)
    return True


def _tidy(locale: str) -> str:
    """`pt_br` as `pt-BR`, `ZH-hant-tw` as `zh-Hant-TW`."""
    first, *rest = locale.replace("_", "-").split("-")
    return "-".join([first.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])
