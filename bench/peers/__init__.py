"""The least application of each peer, as its own documentation shows it: verifies, parses, and answers 200. Run by the interpreter of a venv that has the peer,
with nothing of ours."""
