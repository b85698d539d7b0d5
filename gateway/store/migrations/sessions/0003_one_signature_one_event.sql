-- Which reading of a request a signature was taken for, where it would fit others too; in the same transaction as the effect.
CREATE TABLE signed_readings (
    channel_id TEXT NOT NULL,
    proof      TEXT NOT NULL,
    reading    TEXT NOT NULL,
    at         REAL NOT NULL,
    PRIMARY KEY (channel_id, proof)
) WITHOUT ROWID;
CREATE INDEX signed_readings_at ON signed_readings (at);
