"""NATS JetStream in front of the inbox (`inbox: nats://…`): webhooks are answered while the store and all brokers are away.

`NatsInbox` keeps a webhook in a stream before it is answered. `Mover` takes what is in the stream into the store's inbox, in order, each once. A message holds
what gathered of a channel while the one before it was being kept (`gateway.store.packing`): the server writes each message to the disk by itself.
Imported only where the config asks for it, since the client library is an extra.
"""
