SELECT class, COUNT(*) AS n, AVG(flags), SUM(rFlux) / COUNT(*) FROM Object GROUP BY class HAVING n > 3 ORDER BY n
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT qserv_fold(t0."class") AS g0, any_value(t0."class") AS p0, count(*) AS p1, CAST(sum(t0."flags") AS DECIMAL(38,0)) AS p2, count(t0."flags") AS p3, sum(t0."rFlux") AS p4 FROM read_parquet($s0) AS t0 GROUP BY qserv_fold(t0."class")
-- merge SQL: SELECT c0, c1, c2, c3 FROM (SELECT any_value(p0) AS c0, CAST(coalesce(sum(p1), 0) AS BIGINT) AS c1, CAST((CAST(((CAST(sum(p2) AS HUGEINT) * 1000000000::HUGEINT) // CAST(CAST(coalesce(sum(p3), 0) AS BIGINT) AS HUGEINT)) AS DECIMAL(38,0)) * CAST('0.000000001' AS DECIMAL(9,9))) AS DECIMAL(38,4)) AS c2, qserv_in_range((sum(p4) / CAST(CAST(coalesce(sum(p1), 0) AS BIGINT) AS DOUBLE))) AS c3, CAST(coalesce(sum(p1), 0) AS BIGINT) AS o0 FROM leaf0 AS r GROUP BY g0 HAVING (CAST(coalesce(sum(p1), 0) AS BIGINT) > 3)) AS e ORDER BY o0 ASC NULLS FIRST
-- columns: class, n, AVG(flags), SUM(rFlux) / COUNT(*)
