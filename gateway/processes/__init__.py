"""Two processes for one gateway (`byoc serve --processes`): the edge answers webhooks and keeps them, the core does everything else.

The edge has a core of the machine, an event loop and `inbox.db` to itself, so webhooks are answered at full speed whatever the core is doing. The core starts the
edge, watches it and starts it again. They talk over one socket pair (`line`): the core reads the inbox's file by itself and says what was dealt with.
"""
