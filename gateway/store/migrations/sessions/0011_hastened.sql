-- `sooner_at`: when a waiting message is due already if a call of its account succeeds meanwhile; NULL where its failure is its own.
-- `hastened`: how many times that has happened to it.
ALTER TABLE outbox ADD COLUMN sooner_at REAL;
ALTER TABLE outbox ADD COLUMN hastened INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_hastens ON outbox (channel_id, ordinal) WHERE state = 'queued' AND sooner_at IS NOT NULL;
