-- Who writes, and how far their own stream has come. `seq` is dense from 1 within a visitor; `first_seq` is the oldest line that is kept.
CREATE TABLE visitor (
    channel_id TEXT NOT NULL,
    visitor_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    subject TEXT,                          -- proven by the company's site; else NULL
    profile TEXT NOT NULL DEFAULT '{}',    -- name, email, locale, prechat, page: what the visitor told
    generation INTEGER NOT NULL DEFAULT 0, -- tokens of an older one are nobody's
    first_seq INTEGER NOT NULL DEFAULT 1,
    last_seq INTEGER NOT NULL DEFAULT 0,
    delivered_seq INTEGER NOT NULL DEFAULT 0,
    read_seq INTEGER NOT NULL DEFAULT 0,
    open INTEGER NOT NULL DEFAULT 0,       -- the visitor has said something since the last end
    merged_into TEXT,                      -- this visitor signed in as one who was known already
    PRIMARY KEY (channel_id, visitor_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX visitor_by_subject ON visitor (channel_id, subject) WHERE subject IS NOT NULL;
CREATE INDEX visitor_by_target ON visitor (channel_id, merged_into) WHERE merged_into IS NOT NULL;

-- A visitor's stream. `key` is what must not happen twice: `c:VISITOR:CLIENT_ID` of theirs, `o:OUTBOX_ID` of ours.
CREATE TABLE event (
    channel_id TEXT NOT NULL,
    visitor_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    key TEXT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (channel_id, visitor_id, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX event_by_key ON event (channel_id, key);
CREATE INDEX event_by_time ON event (at);

-- What the gateway's webhook has not taken yet; written in one transaction with its effect, removed when it was taken.
CREATE TABLE relay (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id TEXT NOT NULL,
    visitor_id TEXT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX relay_by_visitor ON relay (channel_id, visitor_id, number);

CREATE TABLE file (
    channel_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (channel_id, file_id)
) WITHOUT ROWID;
