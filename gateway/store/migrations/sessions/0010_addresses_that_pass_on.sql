-- A person's addresses: `lent` ones (phone numbers) may pass to somebody else; `used_at` (Unix seconds) says when this person had it last or
-- gave it up. What is `gone` gets nothing any more: an id still leads to its person, a number only what was said before it was given up.
ALTER TABLE aliases ADD COLUMN lent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE aliases ADD COLUMN used_at REAL NOT NULL DEFAULT 0;
ALTER TABLE aliases ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX aliases_of_address ON aliases (channel_id, address);

-- WhatsApp's numbers beside a business-scoped id, as far as the addresses show it.
UPDATE aliases SET lent = 1 WHERE ltrim(replace(alias, 'whatsapp:', ''), '+') NOT GLOB '*[^0-9]*' AND EXISTS (
    SELECT 1 FROM aliases other WHERE other.channel_id = aliases.channel_id AND other.address = aliases.address
        AND replace(other.alias, 'whatsapp:', '') GLOB '[A-Z][A-Z].*');
