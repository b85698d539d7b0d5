"""Twilio's side, simulated: the Messages API, webhooks for what customers do, status callbacks, media. The channels add what differs.

Its rooms: `messages` and `faults` (what is taken and refused, and what becomes of it), `records`, `files`, `customers` (what happens on phones).
"""
