"""The demo: every provider simulated, so that the whole road can be walked without an account anywhere."""
