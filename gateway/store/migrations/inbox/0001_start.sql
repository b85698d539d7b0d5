-- Raw webhooks, kept before they are answered. `state`: 0 waiting, 1 done, 2 stuck (an operator looks).
CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id  TEXT NOT NULL,
    received_at REAL NOT NULL,
    method      TEXT NOT NULL,
    url         TEXT NOT NULL,
    path        TEXT NOT NULL,
    query       TEXT NOT NULL,
    headers     TEXT NOT NULL,
    body        BLOB NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL DEFAULT 0,
    lease_until REAL NOT NULL DEFAULT 0,
    next_at     REAL NOT NULL DEFAULT 0,
    reason      TEXT,
    done_at     REAL
);
CREATE INDEX inbox_waiting ON inbox (id) WHERE state = 0;
CREATE INDEX inbox_stuck ON inbox (id) WHERE state = 2;
