-- The event bus of a simulated Salesforce org. `number` is the order: it grows with gaps, and the newest row is always kept, so none is used twice.
-- A row without an event only makes its replay id known: where a quiet stream has got to.
CREATE TABLE entry (
    number     INTEGER PRIMARY KEY,
    replay_id  BLOB NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    topic      TEXT,
    event_id   TEXT UNIQUE,
    event_type TEXT,
    payload    TEXT
);
CREATE INDEX entry_by_topic ON entry (topic, number);
CREATE INDEX entry_by_age ON entry (created_ms);
