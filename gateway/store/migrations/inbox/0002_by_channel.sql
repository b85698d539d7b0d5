-- Each channel's webhooks are read by themselves, so that one channel's trouble holds up no other. Nothing reads `lease_until` and `next_at`
-- any more: what is in hand is known to the one process that works here.
DROP INDEX inbox_waiting;
CREATE INDEX inbox_waiting ON inbox (channel_id, id) WHERE state = 0;
