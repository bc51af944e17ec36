"""``make simulate``: many histories, each of its own seed; then the speed of planning in a large cluster."""

from __future__ import annotations

import argparse
import random
import sys
import time

from simulation.history import Tally, simulate
from simulation.large import measure

HISTORY_STEPS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulation")
    parser.add_argument("--steps", type=int, default=1_000_000, help="steps in all")
    parser.add_argument("--seed", type=int, help="the one history of this seed, of --steps steps")
    wanted = parser.parse_args()
    out = sys.stdout
    began = time.monotonic()
    if wanted.seed is not None:
        total = simulate(wanted.seed, wanted.steps)
    else:
        first = random.SystemRandom().randrange(1 << 32)
        out.write(f"seeds from {first}\n")
        total = Tally()
        for number in range(max(1, wanted.steps // HISTORY_STEPS)):
            total += simulate(first + number, min(wanted.steps, HISTORY_STEPS))
    out.write(
        f"{total.steps:,} steps, {total.events:,} events, {total.moves:,} moves, {total.transactions:,} transactions,"
        f" {total.compactions:,} compactions, {total.peaces:,} times converged, {total.checks:,} checks: no violation"
        f" ({time.monotonic() - began:.0f} s)\n"
    )
    if wanted.seed is None:
        measure(out)


if __name__ == "__main__":
    main()
