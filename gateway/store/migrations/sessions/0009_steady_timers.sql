-- When a timer fires by the steady clock; `due_at` is the moment that the rules named by the wall clock.
ALTER TABLE timers ADD COLUMN fires_at REAL NOT NULL DEFAULT 0;
UPDATE timers SET fires_at = due_at;
DROP INDEX timers_due;
CREATE INDEX timers_due ON timers (fires_at);
