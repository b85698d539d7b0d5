"""The secrets of an account: found, taken away, made wrong, rotated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from adapters.contract import Account


def secrets_in(value: Any) -> Iterator[str]:
    """Every secret of an account or of one of its fields, in the clear."""
    if isinstance(value, SecretStr):
        if value.get_secret_value():
            yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, member in value:
            yield from secrets_in(member)
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from secrets_in(member)
    elif isinstance(value, tuple | list | set | frozenset):
        for member in value:
            yield from secrets_in(member)


def emptied(value: Any) -> Any:
    """The field without its secrets."""
    if isinstance(value, SecretStr):
        return SecretStr("")
    return type(value)() if isinstance(value, tuple | list | dict) else value


def wrong(value: Any) -> Any:
    """The field with other secrets of the same length and shape."""
    if isinstance(value, SecretStr):
        return SecretStr(f"wrong{value.get_secret_value()[5:]}")
    if isinstance(value, tuple):
        return tuple(wrong(one) for one in value)
    return {key: wrong(one) for key, one in value.items()} if isinstance(value, dict) else value


def rotate_all(account: Account) -> Account:
    """The account with a new secret before the old ones, wherever secrets rotate."""
    fresh = {
        name: (SecretStr(f"a-new-{name}-{'0123456789abcdef' * 2}"), *value)
        for name, value in account
        if isinstance(value, tuple) and value and all(isinstance(one, SecretStr) for one in value)
    }
    return account.model_copy(update=fresh)
