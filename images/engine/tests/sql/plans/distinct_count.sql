SELECT chunkId, COUNT(DISTINCT class) FROM Object GROUP BY chunkId
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t0."chunkId" AS g0, qserv_fold(t0."class") AS g1 FROM read_parquet($s0) AS t0 GROUP BY t0."chunkId", qserv_fold(t0."class")
-- merge SQL: SELECT c0, c1 FROM (SELECT g0 AS c0, count(DISTINCT g1) AS c1 FROM leaf0 AS r GROUP BY g0) AS e
-- columns: chunkId, COUNT(DISTINCT class)
