"""``make chaos``: bounded in time, ends with one line of totals, and a status that says whether all went well."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--pause", type=float, default=60.0, help="seconds for which a worker is stopped")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    wanted = parser.parse_args()

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    tell(f"seed {wanted.seed}")
    with tempfile.TemporaryDirectory(prefix="qserv-chaos-") as folder:
        totals = run(
            Path(folder),
            objects=wanted.objects,
            seconds=wanted.seconds,
            pause=wanted.pause,
            seed=wanted.seed,
            tell=tell,
        )
    for text in (*totals.wrong, *totals.lost):
        tell(text)
    tell(str(totals))
    return 0 if totals.well else 1


if __name__ == "__main__":
    sys.exit(main())
