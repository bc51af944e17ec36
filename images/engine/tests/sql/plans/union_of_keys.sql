SELECT COUNT(*) FROM (SELECT objectId FROM Source UNION SELECT objectId FROM ForcedSource) t
-- leaf0 tables: $s0: synth.Source, $s1: synth.ForcedSource
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT count(*) AS p0 FROM (SELECT c0 FROM (SELECT c0 FROM ((SELECT CAST(c0 AS BIGINT) AS c0 FROM (SELECT t0."objectId" AS c0 FROM read_parquet($s0) AS t0) AS u) UNION ALL (SELECT CAST(c0 AS BIGINT) AS c0 FROM (SELECT t1."objectId" AS c0 FROM read_parquet($s1) AS t1) AS u)) AS d GROUP BY c0) AS e) AS t2
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM leaf0 AS r) AS e
-- columns: COUNT(*)
