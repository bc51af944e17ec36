SELECT chunkId, COUNT(DISTINCT class) FROM Object GROUP BY chunkId
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT p0 AS c0, count(DISTINCT p1) AS c1 FROM (SELECT t0."chunkId" AS p0, qserv_fold(t0."class") AS p1 FROM read_parquet($s0) AS t0) AS r GROUP BY p0
-- merge SQL: none: the workers' rows are the answer
-- columns: chunkId, COUNT(DISTINCT class)
