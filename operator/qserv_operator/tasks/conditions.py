"""Conditions of resources."""

from __future__ import annotations

from collections.abc import Sequence

from qserv_operator.actions import Event, Subject
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


def news(before: Sequence[Condition], after: Sequence[Condition], about: Subject | None = None) -> tuple[Event, ...]:
    """An event for each reason that is new; that a new resource is not broken is no news."""
    reasons = {item.type: item.reason for item in before}
    found: dict[str, Event] = {}
    for item in after:
        calm = item.reason if item.status == "False" and item.type != "Available" else ""
        if reasons.get(item.type, calm) != item.reason:
            bad = any(one.type == "Degraded" and one.status == "True" and one.reason == item.reason for one in after)
            found[item.reason] = Event(Reason(item.reason), item.message, warning=bad, about=about)
    return tuple(found.values())
