"""Which suite belongs to an adapter, so that its grade and recorded fixtures can be made outside pytest.

Ours are in `tests/adapters/<package>/suite.py` of a source checkout. A plug-in names its own by an entry point of the same name as its
adapter's, in the group `byoc.suites`: `telegram = "byoc_telegram.suite:SUITE"`. The fixtures needn't be installed with it: a suite
whose folder isn't there counts as none.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import adapters
from adapters.conformance.suite import Suite
from adapters.contract import Adapter
from adapters.errors import AdapterError

SUITE_GROUP: Final = "byoc.suites"


class SuiteFault(AdapterError):
    """A suite is named and can't be used; the text says which and what to do."""


def suite_of(adapter: Adapter[Any]) -> Suite | None:
    """The adapter's suite; None where it names none, or where its fixtures aren't installed. Raises SuiteFault."""
    found = _in_this_checkout(adapter) or _by_entry_point(adapter)
    return found if found is not None and found.fixtures.is_dir() else None


def _in_this_checkout(adapter: Adapter[Any]) -> Suite | None:
    top, _, rest = adapter.account.__module__.partition(".")
    package = rest.partition(".")[0]
    root = Path(adapters.__path__[0]).parent
    if top != "adapters" or not (root / "tests" / "adapters" / package / "suite.py").is_file():
        return None
    if str(root) not in sys.path:  # `byoc` itself is started from elsewhere
        sys.path.insert(0, str(root))
    return _checked(importlib.import_module(f"tests.adapters.{package}.suite").SUITE, package)


def _by_entry_point(adapter: Adapter[Any]) -> Suite | None:
    for point in entry_points(group=SUITE_GROUP, name=adapter.kind):
        try:
            return _checked(point.load(), point.value)
        except (ImportError, AttributeError) as error:
            raise SuiteFault(
                f"the suite {point.value!r} can't be imported ({error}): correct the entry point {SUITE_GROUP}"
            ) from error
    return None


def _checked(found: object, name: str) -> Suite:
    if not isinstance(found, Suite):
        raise SuiteFault(f"{name!r} is no Suite: see adapters.conformance")
    return found
