"""What a program may pass to the client, as the wire has it. No I/O.

TypeError and ValueError name the argument and say what is allowed.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, TypeVar

import numpy as np

INT64_MAX = 2**63 - 1

Choice = TypeVar("Choice")
Number = Decimal | int | str | np.integer[Any]


def exact(name: str, value: Number) -> Decimal:
    """The number as a Decimal. TypeError for a float: 0.1 is not what it says. ValueError for what is no number."""
    if isinstance(value, float | np.floating):
        raise TypeError(
            f'{name} is a float; give it as text ("{value}"), int or Decimal, so that it is exact'
        )
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str | np.integer):
        raise TypeError(f'{name} is {value!r}; allowed: text such as "101.25", int or Decimal')
    try:
        number = Decimal(int(value) if isinstance(value, np.integer) else value)
    except InvalidOperation:
        raise ValueError(f'{name} is {value!r}, which is not a number; allowed: such as "101.25"') from None
    if not number.is_finite():
        raise ValueError(f"{name} is {value}; it must be finite")
    return number


def parts(name: str, value: Number) -> tuple[int, int]:
    """Mantissa and exponent, as a REQUEST holds them. Raises as `exact` does."""
    sign, digits, exponent = exact(name, value).as_tuple()
    assert isinstance(exponent, int), "a finite number has one"
    mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    if not -INT64_MAX <= mantissa <= INT64_MAX or not -18 <= exponent <= 18:
        raise ValueError(f"{name} is {value}: at most 18 digits")
    return mantissa, exponent


def identifier(name: str, value: str, limit: int) -> bytes:
    """An id as it goes on the wire. TypeError and ValueError say what is wrong with it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}; it is text of 1 to {limit} printable characters")
    data = value.encode()
    if not 1 <= len(data) <= limit or not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name} is {value!r}; it has 1 to {limit} printable ASCII characters")
    return data


def whole(name: str, value: int, least: int, most: int) -> int:
    """An int in its range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; it is an int, {least} to {most}")
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}; allowed: {least} to {most}")
    return value


def flag(name: str, value: bool) -> bool:
    """A bool and nothing that is as good as one."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; allowed: True, False")
    return value


def choice(name: str, value: object, allowed: Mapping[str, Choice]) -> Choice:
    """What one of a few words stands for; an enum that calls it the same will do."""
    word = value.name if isinstance(value, Enum) else value
    if not isinstance(word, str) or word.lower() not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed: {', '.join(repr(one) for one in allowed)}")
    return allowed[word.lower()]


def known(given: Mapping[str, object], allowed: type, what: str, *others: str) -> None:
    """TypeError for a keyword that the TypedDict `allowed` does not have: it would have no effect.

    others: what is taken besides.
    """
    for name in given:
        if name not in allowed.__annotations__:
            raise TypeError(
                f"unknown {what} {name!r}; allowed: {', '.join([*others, *allowed.__annotations__])}"
            )
