-- When the visitor last ended the conversation: what was said in it and comes later is not shown after that line.
ALTER TABLE visitor ADD COLUMN ended_at TEXT;
