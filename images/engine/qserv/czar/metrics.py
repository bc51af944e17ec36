"""What ``/metrics`` of a czar tells: numbers only, no names and no SQL."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RUNNING = Gauge("qserv_czar_queries_running", "Queries that run now")
QUERIES = Counter("qserv_czar_queries", "Queries that ended, by what became of them", ["state"])
SECONDS = Histogram(
    "qserv_czar_query_seconds",
    "How long queries took, from the statement to the last row",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 14400),
)
ROWS = Counter("qserv_czar_rows", "Rows sent to clients")
CHUNKS = Counter("qserv_czar_chunks", "Chunks that workers answered for")
CONNECTIONS = Gauge("qserv_czar_connections", "Open MySQL connections")
REFUSED = Counter("qserv_czar_refused_logins", "Logins that were refused, by door", ["door"])
