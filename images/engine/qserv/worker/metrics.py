"""What a worker counts: numbers only, without names of users, tables or statements."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

QUERIES = Counter("qserv_worker_queries", "Statements run, by how they ended", ["lane", "state"], registry=REGISTRY)
QUERY_SECONDS = Histogram(
    "qserv_worker_query_seconds",
    "Time from a statement's arrival to its last row taken",
    ["lane"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200),
    registry=REGISTRY,
)
RUNNING = Gauge("qserv_worker_queries_running", "Statements that run or wait", ["lane"], registry=REGISTRY)
ROWS_SENT = Counter("qserv_worker_rows_sent", "Rows sent to czars", registry=REGISTRY)
LOOKUPS = Counter("qserv_worker_lookups", "Look-ups in director indexes", registry=REGISTRY)
STAGED_BYTES = Counter("qserv_worker_staged_bytes", "Bytes of rows staged for transactions", registry=REGISTRY)
FETCHED_BYTES = Counter("qserv_worker_fetched_bytes", "Bytes of files copied from other workers", registry=REGISTRY)
LOADED_ROWS = Counter("qserv_worker_loaded_rows", "Rows read from input files", registry=REGISTRY)
DISK_USED = Gauge("qserv_worker_disk_used_bytes", "Bytes that this worker's files take", registry=REGISTRY)
DISK_FREE = Gauge("qserv_worker_disk_free_bytes", "Bytes that this worker may still fill", registry=REGISTRY)
READY = Gauge("qserv_worker_ready", "1 when registered with a controller and answering", registry=REGISTRY)
