-- Of each stream that webhooks are taken out of, the number of the last message that was taken: written with the webhooks themselves.
CREATE TABLE streams (
    stream   TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;
