"""Moves what a store holds to another store, of either database."""
