-- Webhooks of which a part had no meaning here: for `byoc inbox list --unknown`, among all that were dealt with.
CREATE INDEX inbox_unknown ON inbox (id) WHERE state = 1 AND reason IS NOT NULL;
