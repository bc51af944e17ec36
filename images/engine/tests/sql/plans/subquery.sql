SELECT COUNT(*) FROM Object WHERE rFlux > (SELECT AVG(rFlux) FROM Object WHERE chunkId = 288)
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: 288
-- leaf0 worker SQL: SELECT sum(t1."rFlux") AS p0, count(t1."rFlux") AS p1 FROM read_parquet($s0) AS t1 WHERE (t1."chunkId" = 288)
-- leaf1 tables: $s0: synth.Object
-- leaf1 chunks: all
-- leaf1 worker SQL: SELECT "rFlux" FROM read_parquet($s0) AS t0
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM (SELECT count(*) AS p0 FROM leaf1 AS t0 WHERE (t0."rFlux" > (SELECT c0 FROM (SELECT qserv_in_range((sum(p0) / nullif(CAST(CAST(coalesce(sum(p1), 0) AS BIGINT) AS DOUBLE), 0))) AS c0 FROM leaf0 AS r) AS e))) AS r) AS e
-- columns: COUNT(*)
