"""The Messenger Platform's own side, for Messenger and Instagram: chats with a Page or account, and a Send API as strict as Meta's.

What differs between the two stands in a `Dialect`. Its rooms: `world` (chats and webhooks), `api` and `rules` (what is answered and refused),
`files`, `customers` (what happens in the chats); what all of Meta's channels share stands in `adapters._meta.simulator`.
"""
