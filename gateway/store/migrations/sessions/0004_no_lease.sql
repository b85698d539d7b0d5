-- A row is `sending` from just before the call that the customer may see. One process works on a file: what it has in hand, it knows.
ALTER TABLE outbox DROP COLUMN lease_until;
