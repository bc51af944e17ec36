"""What was measured, and whether it is as good as it should be."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

from rich.console import Console

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Result:
    """``goal`` is a comparison and a number, such as ``<= 1.15``; None where a value is told for its own sake."""

    name: str
    value: float
    unit: str
    goal: str | None = None
    met: bool | None = None


@dataclass
class Results:
    """Collects results and prints each as it comes."""

    console: Console = field(default_factory=lambda: Console(width=140, highlight=False))
    found: list[Result] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, goal: str | None = None) -> None:
        met = None
        if goal is not None:
            comparison, number = goal.split()
            met = _COMPARISONS[comparison](value, float(number.replace(",", "")))
        result = Result(name, float(f"{value:.4g}"), unit, goal, met)
        self.found.append(result)
        verdict = "" if met is None else ("[green]met[/]" if met else "[red]missed[/]")
        self.console.print(f"  {name:<62} {result.value:>12,.6g} {unit:<12} {goal or '':<12} {verdict}")

    def section(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/]")

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(result) for result in self.found], indent=1) + "\n")


def best(act: Callable[[], object], times: int) -> float:
    """Seconds of the fastest of several runs: what the machine can do when nothing else disturbs it."""
    return min(_seconds(act) for _ in range(times))


def side_by_side(times: int, *acts: Callable[[], object]) -> tuple[float, ...]:
    """The fastest of several runs of each, taken in turn, so that what disturbs one disturbs the others."""
    for act in acts:
        act()
    rounds = [[_seconds(act) for act in acts] for _ in range(times)]
    return tuple(min(column) for column in zip(*rounds, strict=True))


def _seconds(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began
