-- 1: the id of a try that the provider has since called failed; what is said of it later says nothing of the message any more.
ALTER TABLE message_ids ADD COLUMN written_off INTEGER NOT NULL DEFAULT 0;

-- 1: sent once more by ourselves after a late failure, which is not done twice.
ALTER TABLE outbox ADD COLUMN resent INTEGER NOT NULL DEFAULT 0;
