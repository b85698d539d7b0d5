-- What one commit keeps of a channel's webhooks, in one value (its form: gateway/store/inbox.py). Ids count webhooks: a batch has the id of its last one,
-- and the n - 1 before it are its others. `first_at`, `last_at`: when its first and its last one arrived.
CREATE TABLE batches (
    id         INTEGER PRIMARY KEY,
    channel_id TEXT NOT NULL,
    n          INTEGER NOT NULL,
    first_at   REAL NOT NULL,
    last_at    REAL NOT NULL,
    data       BLOB NOT NULL
);
-- All that is counted, found and thrown away without reading the values.
CREATE INDEX batches_of ON batches (channel_id, id, n, first_at, last_at);

-- Of a channel's batches, everything up to this id was dealt with. From now on `inbox` holds what has a state of its own: webhooks that are stuck, were kept
-- as unknown, or are replayed, each under its id; and those of older versions, which are read before any batch.
CREATE TABLE watermarks (
    channel_id TEXT PRIMARY KEY,
    done_to    INTEGER NOT NULL
) WITHOUT ROWID;
