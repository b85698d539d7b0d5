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

-- Who is sending, or was when it died.
ALTER TABLE outbox ADD COLUMN sender text COLLATE "C";

-- The first statement of whatever a worker writes. Whoever takes over from it waits for the lock; a beat doesn't.
CREATE FUNCTION fence(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM byoc.workers WHERE id = who AND NOT gone FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker % is gone', who USING ERRCODE = 'BY001';
    END IF;
END $$;

-- For each account, take as many of the `wanted` turns as there are until `horizon` seconds from now: they are `gap` seconds apart, whoever takes them, and at most
-- `burst` of them are from the past. `first_at` is the first one's time, or when to ask again; a clock that was set back makes nobody wait for the old time.
CREATE FUNCTION take_turns(accounts text[], gaps double precision[], wants integer[], burst integer, horizon double precision)
RETURNS TABLE (account text, now_at double precision, first_at double precision, granted integer) LANGUAGE plpgsql AS $$
DECLARE
    one record;
    known record;
BEGIN
    FOR one IN SELECT w.account, w.gap, w.wanted FROM unnest(accounts, gaps, wants) AS w (account, gap, wanted) ORDER BY w.account LOOP
        INSERT INTO byoc.paces AS p (account, next_at) VALUES (one.account, 0) ON CONFLICT ON CONSTRAINT paces_pkey DO NOTHING;
        SELECT p.next_at, p.paused_until INTO known FROM byoc.paces p WHERE p.account = one.account FOR UPDATE;
        account := one.account;
        now_at := extract(epoch FROM clock_timestamp());
        first_at := greatest(least(known.next_at, now_at + horizon + one.gap), now_at - burst * one.gap);
        granted := 0;
        IF known.paused_until > now_at THEN
            first_at := known.paused_until;
        ELSE
            granted := greatest(0, least(one.wanted, floor((now_at + horizon - first_at) / one.gap)::integer + 1));
            UPDATE byoc.paces AS p SET next_at = first_at + granted * one.gap WHERE p.account = one.account;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
