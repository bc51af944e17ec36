"""Numbers for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("qserv_replication_requests", "REST requests", ["method", "status"])
REQUEST_SECONDS = Histogram("qserv_replication_request_seconds", "Time to answer a REST request", ["method"])
LEADING = Gauge("qserv_replication_leading", "1 while this controller leads")
CHUNKS = Gauge("qserv_chunks", "Chunks that have rows, by how safe they are", ["state"])
WORKERS = Gauge("qserv_workers", "Workers by state", ["state"])
MOVING = Gauge("qserv_moves", "Copies under way")
MOVED_BYTES = Counter("qserv_moved_bytes", "Bytes copied by repair, drain and balance", ["reason"])
MOVES_FAILED = Counter("qserv_moves_failed", "Copies that failed and are tried again or planned anew")
SCRUBBED_BYTES = Counter("qserv_scrubbed_bytes", "Bytes that scrubs have read")
DAMAGED_FILES = Counter("qserv_damaged_files", "Files found missing or with another sum than was committed")
COMPACTED_FILES = Counter("qserv_compacted_files", "Small files that became part of larger ones")
LOADS = Gauge("qserv_loads", "Transactions that are open, or whose commit does not go on just now", ["state"])
LOAD_ROWS = Gauge("qserv_load_rows", "Rows that open transactions have read")
LOAD_BYTES = Gauge("qserv_load_bytes", "Bytes of their files, read or in all as far as they are known", ["state"])
LOAD_ETA = Gauge("qserv_load_eta_seconds", "Until the last of them has read its files, at its speed till now")
TRANSACTIONS = Counter("qserv_transactions", "Transactions that ended", ["state"])
CONTRIBUTIONS_AGAIN = Counter("qserv_contributions_again", "Contributions that were run anew")
