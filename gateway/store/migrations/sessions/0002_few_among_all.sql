-- Whom no provider has been asked about yet: looked for every few seconds, and few among all.
CREATE INDEX conversations_unknown ON conversations (channel_id) WHERE json_extract(person, '$.address') IS NULL;

-- Sessions that have not ended, counted for every reading of the metrics.
CREATE INDEX sessions_open ON sessions (status) WHERE status != 'ended';
