"""Salesforce as the central session broker: what customers say goes to an org's Interaction Service, and what its reps say comes back as platform events.

`to` and `from` are Salesforce's view: the org's REST API is called for what comes from customers, and its Pub/Sub stream brings what goes to them.
"""
