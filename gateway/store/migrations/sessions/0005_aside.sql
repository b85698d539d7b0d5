-- What is said while another app of the business answers, and what customers came by without a word: kept until the conversation is ours.
-- `left_out`: how many before this one weren't kept.
CREATE TABLE aside (
    ordinal    INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id TEXT NOT NULL,
    address    TEXT NOT NULL,
    message_id TEXT,
    envelope   TEXT NOT NULL,
    left_out   INTEGER NOT NULL DEFAULT 0,
    at         REAL NOT NULL
);
CREATE INDEX aside_of_address ON aside (channel_id, address, ordinal);
CREATE INDEX aside_at ON aside (at);
