"""Meta's own side, simulated: what WhatsApp, Messenger and Instagram share. A channel adds its dialect."""
