"""What a channel is, and the channels we ship. Imports nothing of the gateway, and does no I/O."""
