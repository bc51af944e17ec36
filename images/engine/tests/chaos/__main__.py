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
    parser.add_argument(
        "--metadata",
        choices=("sqlite", "mariadb", "both"),
        default="both",
        help="of the metadata; both: half of the time each",
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    wanted = parser.parse_args()

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    tell(f"seed {wanted.seed}")
    kinds = ("sqlite", "mariadb") if wanted.metadata == "both" else (wanted.metadata,)
    ended = []
    for kind in kinds:
        tell(f"metadata on {kind}")
        with tempfile.TemporaryDirectory(prefix="qserv-chaos-") as folder:
            totals = run(
                Path(folder),
                objects=wanted.objects,
                seconds=wanted.seconds / len(kinds),
                pause=wanted.pause,
                seed=wanted.seed,
                server=kind == "mariadb",
                tell=tell,
            )
        for text in (*totals.wrong, *totals.lost):
            tell(text)
        ended.append(totals)
    tell(str(sum(ended[1:], ended[0])))
    return 0 if all(totals.well for totals in ended) else 1


if __name__ == "__main__":
    sys.exit(main())
