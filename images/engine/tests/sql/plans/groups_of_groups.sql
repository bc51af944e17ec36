SELECT n, COUNT(*) FROM (SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId) t GROUP BY n
-- leaf0 tables: $s0: synth.Source
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t1."c1" AS g0, count(*) AS p0 FROM (SELECT c0, c1 FROM (SELECT p0 AS c0, count(*) AS c1 FROM (SELECT t0."objectId" AS p0, 1 AS p1 FROM read_parquet($s0) AS t0) AS r GROUP BY p0) AS e) AS t1 GROUP BY t1."c1"
-- merge SQL: SELECT c0, c1 FROM (SELECT g0 AS c0, CAST(coalesce(sum(p0), 0) AS BIGINT) AS c1 FROM leaf0 AS r GROUP BY g0) AS e
-- columns: n, COUNT(*)
