"""What a rep writes can be seen, or is refused with what to do."""

from __future__ import annotations

import pytest

from tests.edge.conftest import Site
from tests.unseen import SEEN, UNSEEN


@pytest.mark.parametrize("path", ["messages", "whispers", "flag", "invitations"])
async def test_words_that_nobody_can_see_are_refused_with_what_to_do(site: Site, path: str) -> None:
    session_id = await site.session()
    await site.online("ben")
    ana = site.api(login="ana")
    for text in UNSEEN.values():
        body = {"recipient": {"type": "agent", "id": "ben"}, "note": text} if path == "invitations" else {"text": text}
        reply = await ana.post(f"/sessions/{session_id}/{path}", body)
        assert (reply.status, reply.json["code"]) == (422, "invalid_input"), ascii(text)
        (fault,) = reply.json["errors"]
        assert fault["pointer"] == ("/note" if path == "invitations" else "/text")
        assert "no visible text" in fault["detail"]
        assert "write letters, digits or an emoji" in fault["detail"]
    entries = (await ana.get(f"/sessions/{session_id}/entries")).json["items"]
    assert [entry for entry in entries if entry["kind"] == "message" and entry["from"]["id"] == "ana"] == []


async def test_words_that_can_be_seen_are_said_as_they_are(site: Site) -> None:
    session_id = await site.session()
    for text in SEEN.values():
        reply = await site.api(login="ana").post(f"/sessions/{session_id}/messages", {"text": text})
        assert (reply.status, reply.json["text"]) == (201, text), ascii(text)
