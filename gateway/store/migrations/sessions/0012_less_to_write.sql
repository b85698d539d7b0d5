-- Which entry an id stands for is looked up from the entry only for what we sent: a customer's message has the provider's id in its entry.
DROP INDEX message_ids_of_entry;
CREATE INDEX message_ids_of_entry ON message_ids (session_id, number) WHERE outbox_id IS NOT NULL;
