-- The place of a session in lists by latest activity, to the millisecond, then by number: the smaller the later.
ALTER TABLE sessions ADD COLUMN place INTEGER
    GENERATED ALWAYS AS (-((CAST(last_activity * 1000 AS INTEGER) << 22) | (ordinal & 4194303))) VIRTUAL;
DROP INDEX sessions_latest;
CREATE INDEX sessions_listed ON sessions (org, status, place, queue);

-- Sessions that rest (ended or inactive) are filed for search, a while after they came to rest. 1: filed, and as it is; 0: not, `name` is what it is found
-- by; null: not, and last written by a version that kept there the name alone.
ALTER TABLE sessions ADD COLUMN filed INTEGER;
CREATE INDEX sessions_not_filed ON sessions (status, ordinal) WHERE filed IS NOT 1;

-- As it is in the search index, which needs the old to take it out; it may be out of date (`sessions.filed`).
CREATE TABLE filed (
    place      INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    made_from  TEXT NOT NULL
);
-- Which sessions have which piece of a word (`gateway.store.filing`), without the pieces' positions.
CREATE VIRTUAL TABLE filed_grams USING fts5 (grams, content='', columnsize=0, detail=none, tokenize='ascii');

-- Of a session that is filed: its status and place. Null while it isn't.
ALTER TABLE rep_sessions ADD COLUMN rests TEXT;
ALTER TABLE rep_sessions ADD COLUMN place INTEGER;
CREATE INDEX rep_sessions_listed ON rep_sessions (org, login, rests, place);
CREATE INDEX rep_sessions_load ON rep_sessions (org, login) WHERE counts = 1;
