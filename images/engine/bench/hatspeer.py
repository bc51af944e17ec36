"""Run by an interpreter that has hats-import: Parquet files become a HATS catalog with a margin cache.

``python hatspeer.py <rows> <threshold in arc seconds> <output folder> <file>…`` prints seconds and processor seconds.
"""

import json
import resource
import sys
import time
from pathlib import Path

from dask.distributed import Client  # type: ignore[import-not-found]
from hats_import.catalog.arguments import ImportArguments  # type: ignore[import-not-found]
from hats_import.margin_cache.margin_cache_arguments import MarginCacheArguments  # type: ignore[import-not-found]
from hats_import.pipeline import pipeline_with_client  # type: ignore[import-not-found]

PIXELS = 100
"""About so many files come out, as a survey of that size would have."""


def main() -> None:
    rows, threshold, out, files = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]
    common = {"output_path": str(out), "progress_bar": False, "tmp_dir": str(out), "dask_tmp": str(out)}
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(out)) as client:
        began = time.perf_counter()
        catalog = ImportArguments(
            output_artifact_name="catalog",
            input_file_list=files,
            file_reader="parquet",
            ra_column="ra",
            dec_column="decl",
            pixel_threshold=max(1000, rows // PIXELS),
            highest_healpix_order=9,
            **common,
        )
        pipeline_with_client(catalog, client)
        margin = MarginCacheArguments(
            output_artifact_name="margin",
            input_catalog_path=str(out / "catalog"),
            margin_threshold=threshold,
            **common,
        )
        pipeline_with_client(margin, client)
        seconds = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    sys.stdout.write(json.dumps({"seconds": seconds, "processor": sum(one.ru_utime + one.ru_stime for one in used)}))


if __name__ == "__main__":
    main()
