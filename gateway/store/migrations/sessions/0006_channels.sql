-- Whose each channel was, and of which kind, when its sessions were last reconciled with the config.
CREATE TABLE channels (
    channel_id TEXT PRIMARY KEY,
    org        TEXT NOT NULL,
    kind       TEXT NOT NULL
) WITHOUT ROWID;

INSERT INTO channels (channel_id, org, kind)
SELECT channel_id, org, json_extract(state, '$.channel_type') FROM sessions
WHERE ordinal IN (SELECT max(ordinal) FROM sessions GROUP BY channel_id);
