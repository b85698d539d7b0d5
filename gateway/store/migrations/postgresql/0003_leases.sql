-- works with: 1

-- The processes that work on this store. `process`: the name of its connections. One that was taken for dead is `gone`, and comes back as another.
CREATE TABLE workers (
    id text COLLATE "C" PRIMARY KEY,
    process text COLLATE "C" NOT NULL,
    roles text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    pid bigint NOT NULL,
    version text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    gone boolean NOT NULL DEFAULT false
) WITH (fillfactor = 25);
CREATE INDEX workers_there ON workers (id) WHERE NOT gone;

-- Who does what.
CREATE TABLE leases (
    duty text COLLATE "C" PRIMARY KEY,
    worker text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX leases_of_worker ON leases (worker);

-- When the next message of an account may go, in Unix seconds by the server's clock, over all who send.
CREATE TABLE paces (
    account text COLLATE "C" PRIMARY KEY,
    next_at double precision NOT NULL,
    paused_until double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 25);

-- Which processes have event streams of a rep open.
CREATE TABLE rep_streams (
    org text COLLATE "C" NOT NULL,
    login text COLLATE "C" NOT NULL,
    worker text COLLATE "C" NOT NULL,
    PRIMARY KEY (org, login, worker)
);
CREATE INDEX rep_streams_of_worker ON rep_streams (worker);

-- The first statement of whatever a worker writes. Whoever takes over from it waits for the lock; a beat doesn't.
CREATE FUNCTION fence(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM byoc.workers WHERE id = who AND NOT gone FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker % is gone', who USING ERRCODE = 'BY001';
    END IF;
END $$;
