"""The Messenger Platform, which Messenger and Instagram's direct messages share: webhooks, the Send API, and its simulated side."""
