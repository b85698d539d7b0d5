-- What a simulated Salesforce org keeps beside its broker's store: Salesforce's names for what that has, and how far its events are published.
CREATE TABLE place (
    stream TEXT PRIMARY KEY,
    number INTEGER NOT NULL
);
CREATE TABLE conversation (
    id       TEXT PRIMARY KEY,
    address  TEXT NOT NULL,
    customer TEXT NOT NULL,
    UNIQUE (address, customer)
);
-- A MessagingSession: made when a conversation is asked for, and tied to a session of the broker's as soon as there is one.
CREATE TABLE messaging_session (
    work_item       TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversation (id),
    session_id      TEXT UNIQUE,
    ordinal         INTEGER NOT NULL,
    UNIQUE (conversation_id, ordinal)
);
-- Entries that were published, so that receipts find them.
CREATE TABLE published (
    entry_id   TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    number     INTEGER NOT NULL
);
CREATE TABLE counted (
    hour   INTEGER NOT NULL,
    what   TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (hour, what)
);
CREATE TABLE record (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
