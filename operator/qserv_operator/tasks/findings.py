"""What a task found and wants done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qserv_operator.actions import Event, Step
from qserv_operator.reasons import Reason


class About(StrEnum):
    """The condition that a finding speaks for."""

    UNAVAILABLE = "Available"
    PROGRESS = "Progressing"
    DEGRADED = "Degraded"


@dataclass(frozen=True)
class Finding:
    about: About
    reason: Reason
    message: str


@dataclass(frozen=True)
class Task:
    """A task's result. Of several findings about one condition the first is shown."""

    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    events: tuple[Event, ...] = ()


def progress(reason: Reason, message: str) -> Finding:
    return Finding(About.PROGRESS, reason, message)


def degraded(reason: Reason, message: str) -> Finding:
    return Finding(About.DEGRADED, reason, message)


def listed(names: list[str] | tuple[str, ...], most: int = 5) -> str:
    """Names for a message: the first few, and how many more."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
