-- A session as its entries add up (`state` is the whole value); the columns beside it are for finding.
CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    ordinal       INTEGER NOT NULL UNIQUE,
    org           TEXT NOT NULL,
    channel_id    TEXT NOT NULL,
    address       TEXT NOT NULL,
    name          TEXT NOT NULL,
    status        TEXT NOT NULL,
    queue         TEXT,
    offered       INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    last_activity REAL NOT NULL,
    state         TEXT NOT NULL
);
CREATE INDEX sessions_of_address ON sessions (channel_id, address, ordinal);
CREATE INDEX sessions_latest ON sessions (org, last_activity, ordinal);
CREATE INDEX sessions_to_route ON sessions (org, queue, ordinal) WHERE status = 'waiting';

-- The transcript.
CREATE TABLE entries (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    number     INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    visibility TEXT NOT NULL,
    body       TEXT NOT NULL,
    change     TEXT, -- 'edited' or 'deleted', by a later entry
    PRIMARY KEY (session_id, number)
) WITHOUT ROWID;

CREATE INDEX entries_for_supervisors ON entries (session_id, number) WHERE visibility = 'supervisors';

-- Which rep has to do with which session, and how: 'in', 'offered', 'asked' (by an invitation), 'was'.
CREATE TABLE rep_sessions (
    org        TEXT NOT NULL,
    login      TEXT NOT NULL,
    session_id TEXT NOT NULL,
    tie        TEXT NOT NULL,
    counts     INTEGER NOT NULL, -- 1: takes the rep's capacity
    PRIMARY KEY (org, login, session_id)
) WITHOUT ROWID;
CREATE INDEX rep_sessions_of_session ON rep_sessions (session_id);

-- Providers' events that have had their effect; in the same transaction as it.
CREATE TABLE seen_events (
    channel_id TEXT NOT NULL,
    event_id   TEXT NOT NULL,
    at         REAL NOT NULL,
    PRIMARY KEY (channel_id, event_id)
) WITHOUT ROWID;
CREATE INDEX seen_events_at ON seen_events (at);

-- Which entry a provider's message id names.
CREATE TABLE message_ids (
    channel_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    number     INTEGER NOT NULL,
    outbox_id  TEXT,
    PRIMARY KEY (channel_id, message_id)
) WITHOUT ROWID;
CREATE INDEX message_ids_of_entry ON message_ids (session_id, number);

-- What adapters want back with the next answer, and what the provider says of the person.
CREATE TABLE conversations (
    channel_id      TEXT NOT NULL,
    address         TEXT NOT NULL,
    memory          TEXT NOT NULL DEFAULT '{}',
    person          TEXT NOT NULL DEFAULT '{}',
    last_inbound_at REAL,
    PRIMARY KEY (channel_id, address)
) WITHOUT ROWID;

-- Other addresses of the same person on the same channel.
CREATE TABLE aliases (
    channel_id TEXT NOT NULL,
    alias      TEXT NOT NULL,
    address    TEXT NOT NULL,
    PRIMARY KEY (channel_id, alias)
) WITHOUT ROWID;

-- One row per message that a customer will see. `ordinal` is the order within a conversation.
CREATE TABLE outbox (
    ordinal       INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    org           TEXT NOT NULL,
    channel_id    TEXT NOT NULL,
    address       TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    entry_number  INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    payload       TEXT NOT NULL,
    media_id      TEXT,
    retry_key     TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'queued',
    rank          INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_at       REAL NOT NULL DEFAULT 0,
    lease_until   REAL NOT NULL DEFAULT 0,
    code          TEXT,
    reason        TEXT,
    provider_code TEXT,
    created_at    REAL NOT NULL,
    sent_at       REAL,
    updated_at    REAL NOT NULL
);
CREATE INDEX outbox_open ON outbox (channel_id, address, ordinal) WHERE state IN ('queued', 'sending');
CREATE INDEX outbox_of_entry ON outbox (session_id, entry_number);
CREATE INDEX outbox_troubled ON outbox (ordinal) WHERE state IN ('failed', 'unknown', 'skipped');
CREATE INDEX outbox_sent ON outbox (channel_id, address, sent_at) WHERE sent_at IS NOT NULL;

-- Every call that was tried, apart from the messages.
CREATE TABLE outbox_attempts (
    outbox_id TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    at        REAL NOT NULL,
    outcome   TEXT NOT NULL,
    detail    TEXT,
    PRIMARY KEY (outbox_id, attempt)
) WITHOUT ROWID;

CREATE TABLE timers (
    session_id TEXT NOT NULL,
    kind       TEXT NOT NULL,
    ref        TEXT NOT NULL,
    due_at     REAL NOT NULL,
    PRIMARY KEY (session_id, kind, ref)
) WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_at);

-- What desks are told, by number; `audience` is ' name name ' of those who may see it.
CREATE TABLE events (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    at         REAL NOT NULL,
    org        TEXT NOT NULL,
    session_id TEXT,
    type       TEXT NOT NULL,
    audience   TEXT NOT NULL,
    data       TEXT NOT NULL
);
CREATE INDEX events_at ON events (at);

CREATE TABLE answers (
    org         TEXT NOT NULL,
    login       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    at          REAL NOT NULL,
    PRIMARY KEY (org, login, key)
) WITHOUT ROWID;
CREATE INDEX answers_at ON answers (at);

-- `lost_at`: when the last event stream went; null while one is open, or when none ever was.
CREATE TABLE presence (
    org        TEXT NOT NULL,
    login      TEXT NOT NULL,
    status     TEXT NOT NULL,
    idle_since REAL,
    streams    INTEGER NOT NULL DEFAULT 0,
    lost_at    REAL,
    PRIMARY KEY (org, login)
) WITHOUT ROWID;

-- Files, both ways; the bytes stand in the media folder under the id.
CREATE TABLE media (
    id           TEXT PRIMARY KEY,
    org          TEXT NOT NULL,
    channel_id   TEXT,
    session_id   TEXT,
    entry_number INTEGER,
    state        TEXT NOT NULL,
    part         TEXT NOT NULL,
    name         TEXT,
    mime_type    TEXT,
    size_bytes   INTEGER,
    reason       TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      REAL NOT NULL DEFAULT 0,
    created_at   REAL NOT NULL
);
CREATE INDEX media_pending ON media (next_at) WHERE state = 'pending';
CREATE INDEX media_of_entry ON media (session_id, entry_number);

-- Receipts, edits and deletions that came before the message they name.
CREATE TABLE parked (
    channel_id TEXT NOT NULL,
    names      TEXT NOT NULL,
    event_id   TEXT NOT NULL,
    envelope   TEXT NOT NULL,
    at         REAL NOT NULL,
    PRIMARY KEY (channel_id, names, event_id)
) WITHOUT ROWID;
CREATE INDEX parked_at ON parked (at);

-- Who asked what and what came of it; no customer's words.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    org        TEXT NOT NULL,
    session_id TEXT NOT NULL,
    at         REAL NOT NULL,
    login      TEXT,
    command    TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    details    TEXT NOT NULL
);
CREATE INDEX audit_of_session ON audit (session_id, id);
