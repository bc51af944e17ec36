"""Where new units and new copies go. Pure: values in, values out, the same for the same input.

Copies go round the workers in turn, each worker's turn coming as often as it has room (smooth weighted round-robin),
and sooner where it holds less than its share: the fill evens out, and chunks that are neighbours on the sky, which have
neighbouring numbers, lie on different workers. Two copies of a unit share a failure domain only where there are fewer
domains than copies, and never a worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_USED = 1e6
_LEAD = 1.5
"""Copies by which a worker's turn may begin early or late: a new worker is not given all neighbours in a row."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A worker that may be given copies.

    ``room`` is how many bytes more it may hold, ``domain`` its failure domain, ``held`` how many copies of mean size it
    holds already.
    """

    id: int
    name: str
    domain: str
    room: int
    held: float = 0.0


class Wheel:
    """Deals copies to workers in turn. Its state is what was dealt: the same deals in the same order come out again."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._slots = sorted(slots, key=lambda slot: slot.name)
        self._ids = [slot.id for slot in self._slots]
        self._place = {slot.id: place for place, slot in enumerate(self._slots)}
        self._in_domain = {
            domain: np.flatnonzero([slot.domain == domain for slot in self._slots])
            for domain in {slot.domain for slot in self._slots}
        }
        room = np.array([max(slot.room, 1) for slot in self._slots], dtype=np.float64)
        self._weight: npt.NDArray[np.float64] = room / room.sum() if len(room) else room
        held = np.array([slot.held for slot in self._slots], dtype=np.float64)
        self._turn = np.clip(self._weight * held.sum() - held, -_LEAD, _LEAD)

    def deal(self, copies: int, taken: Iterable[int] = (), domains: Iterable[str] = ()) -> tuple[int, ...]:
        """Up to ``copies`` workers, none of ``taken``; outside of ``domains``, each in its own, as far as it goes."""
        if not self._slots:
            return ()
        # Rounded, so that equal turns stay equal and the order of the deals does not hang on lost digits.
        self._turn = np.round(self._turn + self._weight * copies, 9)
        # Turns as seen from here: those of workers that are barred are worst, of domains that are used the next worst.
        seen = self._turn.copy()
        for domain in set(domains) & self._in_domain.keys():
            seen[self._in_domain[domain]] -= _USED
        barred = [self._place[worker] for worker in set(taken) if worker in self._place]
        seen[barred] = -np.inf
        chosen: list[int] = []
        for _ in range(min(copies, len(self._slots) - len(barred))):
            best = int(seen.argmax())
            chosen.append(self._ids[best])
            self._turn[best] -= 1.0
            seen[self._in_domain[self._slots[best].domain]] -= _USED
            seen[best] = -np.inf
        return tuple(chosen)


def place(numbers: Sequence[int], slots: Iterable[Slot], copies: int) -> Mapping[int, tuple[int, ...]]:
    """Workers for new units, the primary first; fewer than ``copies`` each where there are fewer workers.

    Who is the primary changes from unit to unit, as it writes the files that the others copy.
    """
    wheel = Wheel(slots)
    led: Counter[int] = Counter()
    placed: dict[int, tuple[int, ...]] = {}
    for number in sorted(numbers):
        dealt = wheel.deal(copies)
        placed[number] = tuple(sorted(dealt, key=lambda worker: led[worker]))
        led.update(placed[number][:1])
    return placed
