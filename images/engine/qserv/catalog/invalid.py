"""What a model finds wrong with what a user wrote, in words for that user."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from typing import Protocol

from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]


class Faults(Protocol):
    """What pydantic and FastAPI raise of a value that no model takes."""

    def errors(self) -> Sequence[ErrorDetails]: ...


def words(error: Faults, place: Callable[[Place], str], known: Collection[str] = ()) -> str:
    """All faults on one line, each after its place.

    Parameters
    ----------
    place : names the place of a fault, of which the model gives keys and numbers.
    known : keys that a misspelt one may have meant.
    """
    found = error.errors()
    # A list whose only item is wrong is told to be too short as well.
    inner = [one for one in found if not any(_inside(other, one) for other in found)]
    return "; ".join(": ".join(filter(None, (place(_of(one)), _fault(one, known)))) for one in inner)


def dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _inside(other: ErrorDetails, one: ErrorDetails) -> bool:
    return len(other["loc"]) > len(one["loc"]) and other["loc"][: len(one["loc"])] == one["loc"]


def _of(one: ErrorDetails) -> Place:
    """Where a fault is: of a key that is too many, what has it."""
    return one["loc"][:-1] if one["type"] == "extra_forbidden" else one["loc"]


def _fault(one: ErrorDetails, known: Collection[str]) -> str:
    if one["type"] == "extra_forbidden":
        key = str(one["loc"][-1])
        near = get_close_matches(key, known, n=1)
        return f"there is no key {key!r}" + (f": did you mean {near[0]!r}?" if near else "")
    if one["type"] == "missing":
        return "is needed"
    text = one["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
