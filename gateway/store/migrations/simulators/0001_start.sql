-- Everything that simulated providers were told, in order; a simulator is what its inputs make it.
CREATE TABLE inputs (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id TEXT NOT NULL,
    at         REAL NOT NULL,
    kind       TEXT NOT NULL,
    content    TEXT NOT NULL
);
