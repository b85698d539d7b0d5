"""What every simulated provider does, in one place: a channel adds its wire form, its error bodies and its rules.

A simulator (`adapters.contract.Simulator`) is a state machine over the inputs `handle` (we call the provider's API), `act` (a
customer does something on the handset), and `settled` (a call that the provider made came back). Everything it does is
determined by these and their times, so the host keeps the inputs and gets the same provider back after a restart. It does no I/O.

`provider` is the machinery, `plain` its short form, `phone` what a handset shows, `wishes` what an action's `details` may ask for, `customers` makes addresses.
"""

from adapters.contract import Action, CannotAct, Outcome, ProviderCall, Shown, SimFile, Simulator
from adapters.simulation.customers import digits_of, hex_of
from adapters.simulation.phone import Phone, media_of
from adapters.simulation.plain import SHOWN, PlainProvider
from adapters.simulation.provider import Deed, Doing, Provider, Refused, stem
from adapters.simulation.wishes import LATER, Count, FromZero, Mischief, Seconds, Wishes, place

__all__ = [
    "LATER",
    "SHOWN",
    "Action",
    "CannotAct",
    "Count",
    "Deed",
    "Doing",
    "FromZero",
    "Mischief",
    "Outcome",
    "Phone",
    "PlainProvider",
    "Provider",
    "ProviderCall",
    "Refused",
    "Seconds",
    "Shown",
    "SimFile",
    "Simulator",
    "Wishes",
    "digits_of",
    "hex_of",
    "media_of",
    "place",
    "stem",
]
