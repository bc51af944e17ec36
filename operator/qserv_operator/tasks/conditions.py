"""Conditions of resources."""

from __future__ import annotations

from collections.abc import Sequence

from qserv_operator.clock import moment
from qserv_operator.models.base import Condition
from qserv_operator.reasons import Reason


def condition(
    before: Sequence[Condition],
    type_: str,
    status: bool | None,
    reason: Reason,
    message: str,
    generation: int,
    now: float,
) -> Condition:
    """A condition whose time of transition is kept while its status stays; ``status`` None: unknown."""
    text = "Unknown" if status is None else str(status)
    former = next((found for found in before if found.type == type_), None)
    since = former.last_transition_time if former is not None and former.status == text else moment(now)
    return Condition(
        type=type_,
        status=text,
        reason=str(reason),
        message=message,
        last_transition_time=since,
        observed_generation=generation,
    )
