"""Where contract 1 had what is `adapters.simulation` now: for plug-ins of the last release, as long as that contract is accepted."""

from adapters.simulation import SHOWN, Mischief, Phone, PlainProvider, Refused, Wishes, media_of

__all__ = ["SHOWN", "Mischief", "Phone", "PlainProvider", "Refused", "Wishes", "media_of"]
