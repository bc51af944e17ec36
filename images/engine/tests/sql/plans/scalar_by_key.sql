SELECT o.objectId, (SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId) AS n FROM Object o
-- leaf0 tables: $s0: synth.Source, $s1: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t0."objectId" AS c0, (SELECT c0 FROM (SELECT count(*) AS c0 FROM (SELECT 1 AS p0 FROM read_parquet($s0) AS t1 WHERE (t1."objectId" = t0."objectId")) AS r) AS e) AS c1 FROM read_parquet($s1) AS t0
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId, n
