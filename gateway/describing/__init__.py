"""Writes pages of docs/ and the example config from the code, so that they say what the code does."""
