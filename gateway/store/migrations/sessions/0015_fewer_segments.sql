-- A search looks for each piece of a word in each segment of the index, so they are to be few: two of a size are merged, not four.
INSERT INTO filed_grams (filed_grams, rank) VALUES ('automerge', 2);
