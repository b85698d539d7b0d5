"""Turns pydantic's errors into config faults: place, fault, fix. A fault never shows the value, which may be a secret."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from adapters.forms import Unfit
from gateway.config.text import Places, Steps
from gateway.errors import ConfigFault

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is missing", "Add it."),
    "extra_forbidden": ("is not a setting", "Remove it or correct its spelling."),
    "int_parsing": ("is not a whole number", "Write a whole number."),
    "int_type": ("is not a whole number", "Write a whole number."),
    "int_from_float": ("is not a whole number", "Write a whole number."),
    "float_parsing": ("is not a number", "Write a number."),
    "float_type": ("is not a number", "Write a number."),
    "bool_parsing": ("is neither true nor false", "Write true or false."),
    "bool_type": ("is neither true nor false", "Write true or false."),
    "string_type": ("is not a text", "Write a text; put quotes around it if it looks like a number."),
    "dict_type": ("is not a group of settings", "Write its members below it, indented, each as `name: value`."),
    "model_type": ("is not a group of settings", "Write its settings below it, indented, each as `name: value`."),
    "list_type": ("is not a list", "Write a list such as [a, b]."),
    "tuple_type": ("is not a list", "Write a list such as [a, b]."),
    "too_short": ("is empty", "Write at least one."),
    "string_too_short": ("is empty", "Write something."),
    "finite_number": ("is not a finite number", "Write a number."),
    "frozen_set_type": ("is not a list", "Write a list such as [a, b]."),
}
_FIXES: Final[Mapping[str, str]] = {
    "literal_error": "Use one of these values.",
    "enum": "Use one of these values.",
    "greater_than": "Write a larger number.",
    "greater_than_equal": "Write a larger number.",
    "less_than": "Write a smaller number.",
    "less_than_equal": "Write a smaller number.",
}
_OTHERWISE: Final = "Correct it; see config/gateway.example.yaml."


def fault_of(error: ErrorDetails, places: Places, model: type[BaseModel], prefix: Steps = ()) -> ConfigFault:
    """One fault; `prefix` is the path of `model` in the config."""
    path = (*prefix, *steps_of(error))
    kind = error["type"]
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    fault, fix = _WORDS.get(kind, (message[:1].lower() + message[1:], _FIXES.get(kind, _OTHERWISE)))
    context = error.get("ctx", {})
    unfit = context.get("error")
    if isinstance(unfit, Unfit):
        fault, fix = str(unfit), unfit.fix
    elif kind == "string_pattern_mismatch":
        fault, fix = "doesn't have the required format", f"Write a value that matches {context['pattern']}."
    if kind == "extra_forbidden":
        fix = did_you_mean(str(path[-1]), _known_keys(model, error["loc"][:-1])) or fix
    return ConfigFault(places.of(path), fault, fix)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`Did you mean …?`, or nothing where nothing is near."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean `{close[0]}`?" if close else ""


def steps_of(error: ErrorDetails) -> Steps:
    """Where it is, without pydantic's mark for a mapping's key."""
    return tuple(step for step in error["loc"] if step != "[key]")


def _known_keys(model: type[BaseModel], path: Steps) -> list[str]:
    current: Any = model
    for step in path:
        field = current.model_fields.get(str(step)) if isinstance(current, type) and issubclass(current, BaseModel) else None
        if field is None:
            continue  # a key of a mapping: its values' model was found with the mapping
        current = _model_within(field.annotation) or current
    return list(current.model_fields)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_within(inner) for inner in typing.get_args(annotation))
    return next((model for model in found if model), None)


# ------------------------------------------------------------------------------------------------ what is sound


def sound_part(raw: Any, errors: Sequence[ErrorDetails]) -> Any:
    """A copy of the data without what is wrong in it, so that the rest can be checked in the same run."""
    return _without(raw, {steps_of(error)[:-1] if error["type"] == "missing" else steps_of(error) for error in errors})


def _without(value: Any, unsound: set[Steps]) -> Any:
    """A copy without the values at these paths."""
    if () in unsound:
        return {}
    if isinstance(value, dict):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        return value
    kept: dict[Any, Any] = {}
    for step, one in pairs:
        below = {path[1:] for path in unsound if path and path[0] == step}
        if () not in below:
            kept[step] = _without(one, below)
    return kept if isinstance(value, dict) else list(kept.values())
