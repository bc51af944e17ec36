SELECT COUNT(*) FROM Object o WHERE o.decl > 10 AND o.objectId NOT IN (SELECT s.objectId FROM Source s WHERE s.psfFlux > 100)
-- leaf0 tables: $s0: synth.Source, $s1: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT count(*) AS p0 FROM read_parquet($s1) AS t0 WHERE (t0."decl" > 10.0e0) AND (NOT (t0."objectId" IN (SELECT q.c0 FROM (SELECT t1."objectId" AS c0 FROM read_parquet($s0) AS t1 WHERE (t1."psfFlux" > 100.0e0)) AS q)))
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM leaf0 AS r) AS e
-- columns: COUNT(*)
