-- Where the stream of a Salesforce org's events is to be read on, by its lane `salesforce:NAME`. Empty: it was begun at that time (Unix seconds), and no
-- place in it is known yet.
CREATE TABLE salesforce_positions (
    lane      TEXT PRIMARY KEY,
    replay_id BLOB NOT NULL,
    at        REAL NOT NULL
);
-- How many events came in an hour (hours since 1970): the org may deliver so many in 24.
CREATE TABLE salesforce_events (
    lane   TEXT NOT NULL,
    hour   INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (lane, hour)
) WITHOUT ROWID;
