SELECT COUNT(*) FROM ObjectStar m WHERE m.source_id IN (SELECT source_id FROM gaia.Star WHERE mag < 11)
-- leaf0 tables: $s0: gaia.Star
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t1."source_id" AS c0 FROM read_parquet($s0) AS t1 WHERE (t1."mag" < 11.0e0)
-- leaf1 tables: $s0: synth.ObjectStar
-- leaf1 chunks: all
-- leaf1 worker SQL: SELECT "source_id" FROM read_parquet($s0) AS t0
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM (SELECT count(*) AS p0 FROM leaf1 AS t0 WHERE (t0."source_id" IN (SELECT q.c0 FROM (SELECT * FROM leaf0) AS q))) AS r) AS e
-- columns: COUNT(*)
