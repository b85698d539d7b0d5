-- The lines of all sessions one after the other, as they are written: a line that has to be put between other sessions' takes most of a message's time.
ALTER TABLE entries RENAME TO entries_by_session;
DROP INDEX entries_for_supervisors;
CREATE TABLE entries (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    number     INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    visibility TEXT NOT NULL,
    body       TEXT NOT NULL,
    change     TEXT, -- 'edited' or 'deleted', by a later entry
    UNIQUE (session_id, number)
);
INSERT INTO entries SELECT session_id, number, kind, visibility, body, change FROM entries_by_session;
DROP TABLE entries_by_session;
CREATE INDEX entries_for_supervisors ON entries (session_id, number) WHERE visibility = 'supervisors';
