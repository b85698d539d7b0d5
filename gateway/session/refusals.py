"""E3: every refusal has one code of this table, and one sentence that says what to do. A refusal changes nothing."""

from __future__ import annotations

from typing import Any

from gateway.session.decision import Refusal

# Each code with what it means and what the caller can do; docs/conferencing.md shows this very table.
CODES: dict[str, str] = {
    "already_participant": "The rep is in the session already: no request is needed.",
    "conferencing_controlled_by_salesforce": "Salesforce controls the session: use the buttons of the Messaging Session in the Salesforce console.",
    "conferencing_not_supported": "The channel's edition has no conferencing: use an enhanced channel, or continue alone.",
    "direct_routing_disabled": "Direct-to-agent routing is off in this org: name a queue, or have it enabled.",
    "entry_not_found": "The message that this answers isn't in the session: send it without `reply_to`.",
    "flag_already_raised": "The caller has a flag raised in the session: write a whisper, or lower the flag first.",
    "flow_yielded_no_recipient": "The flow found nobody for this session: name an agent or a queue.",
    "idempotency_key_reused": "The idempotency key was used with another command: use a new key.",
    "invalid_input": "The request has invalid fields: fix those that the sentence names.",
    "invitation_already_taken": "Another rep was faster: nothing to do.",
    "invitation_closed": "The request is no longer open: ask to be invited again.",
    "invitation_not_found": "There is no such request, or it isn't for the caller: reload the session.",
    "invitation_pending": "The recipient has an open request to this session: wait for the answer, or withdraw it.",
    "last_rep_must_end": "The last rep can't leave: end the session, or transfer it.",
    "message_not_found": "The session has no such message to resend: reload the transcript.",
    "no_flag": "No flag is raised: raise one first.",
    "not_a_participant": "The caller isn't in the session: accept it when it is offered, or ask for an invitation.",
    "not_a_supervisor": "Only the rep who raised the flag and supervisors may do this.",
    "not_resendable": "The message hasn't failed: send a new one instead.",
    "nothing_to_say": "The message has no visible text and no file: write a text or attach a file.",
    "other_reps_present": "Other reps are in the session: leave instead of ending it.",
    "participant_limit_reached": "The session is full, open requests included: wait until one is answered or a rep leaves.",
    "permission_denied": "A licence, permission or role is missing: have the named one granted.",
    "recipient_at_capacity": "The recipient has no capacity left: choose another one, or wait.",
    "recipient_not_available": "The recipient isn't online for messaging: choose one from the destination list.",
    "recipient_not_found": "There is no such recipient: choose one from the destination list.",
    "recipient_type_not_allowed": "Recipients of this kind can't be asked here: name an agent, a queue or a flow.",
    "session_not_active": "The session isn't active: accept it when it is offered, or wait for the customer to write.",
    "session_not_found": "There is no such session for the caller: reload the list.",
    "work_not_offered": "The session isn't offered to the caller: wait until routing offers it.",
}


def e3_refuse(code: str, sentence: str, **details: Any) -> Refusal:
    """The only maker of refusals. A code outside the table is a fault of ours (KeyError)."""
    if code not in CODES:
        raise KeyError(code)
    return Refusal(code, sentence, details)
