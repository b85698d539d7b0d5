-- The tables of `migrations/inbox`, and what is on its way from it to the conversations. What stands there of them holds here.
SET LOCAL search_path = byoc;

-- Counts webhooks. It is taken by one transaction after the other, each until its end (`gateway.store.postgresql.inbox`): so they commit in its order, and
-- who has read up to a number has missed none before it.
CREATE SEQUENCE webhook_ids;

-- `kept_at`: by the server's clock, which is one for all processes; to tell how long the oldest waits.
CREATE TABLE batches (
    id         bigint PRIMARY KEY,
    channel_id text COLLATE "C" NOT NULL,
    n          integer NOT NULL,
    first_at   double precision NOT NULL,
    last_at    double precision NOT NULL,
    kept_at    double precision NOT NULL DEFAULT extract(epoch FROM clock_timestamp()),
    data       bytea NOT NULL
);
CREATE INDEX batches_of ON batches (channel_id, id) INCLUDE (n, first_at, last_at);

CREATE TABLE watermarks (
    channel_id text COLLATE "C" PRIMARY KEY,
    done_to    bigint NOT NULL
) WITH (fillfactor = 50);

-- A webhook's words may hold what is no text, so they are bytes.
CREATE TABLE inbox (
    id          bigint PRIMARY KEY,
    channel_id  text COLLATE "C" NOT NULL,
    received_at double precision NOT NULL,
    method      bytea NOT NULL,
    url         bytea NOT NULL,
    path        bytea NOT NULL,
    query       bytea NOT NULL,
    headers     bytea NOT NULL,
    body        bytea NOT NULL,
    state       smallint NOT NULL DEFAULT 0,
    attempts    integer NOT NULL DEFAULT 0,
    reason      text,
    done_at     double precision
);
CREATE INDEX inbox_waiting ON inbox (channel_id, id) WHERE state = 0;
CREATE INDEX inbox_stuck ON inbox (id) WHERE state = 2;
CREATE INDEX inbox_unknown ON inbox (id) WHERE state = 1 AND reason IS NOT NULL;

CREATE TABLE streams (
    stream   text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
);

-- Events that were read out of webhooks, on their way to who applies them: spread over lanes by their conversation, in order within it. A row goes with the
-- transaction that applies its event. `row_id`: the webhook's. It is a queue, so most of it is dead rows: they are thrown away soon.
CREATE TABLE lane_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane       smallint NOT NULL,
    channel_id text COLLATE "C" NOT NULL,
    row_id     bigint NOT NULL,
    at         double precision NOT NULL DEFAULT extract(epoch FROM clock_timestamp()),
    event      text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX lane_events_of ON lane_events (lane, id);
