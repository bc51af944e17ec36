SELECT COUNT(*) FROM Source WHERE filterId IN (SELECT filterId FROM Filter WHERE wavelength > 700)
-- leaf0 tables: $s0: synth.Filter, $s1: synth.Source
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT count(*) AS p0 FROM read_parquet($s1) AS t0 WHERE (t0."filterId" IN (SELECT q.c0 FROM (SELECT t1."filterId" AS c0 FROM read_parquet($s0) AS t1 WHERE (t1."wavelength" > 700.0e0)) AS q))
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM leaf0 AS r) AS e
-- columns: COUNT(*)
