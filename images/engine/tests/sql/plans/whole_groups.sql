SELECT objectId, COUNT(DISTINCT filterId) AS bands, AVG(psfFlux) AS f FROM Source GROUP BY objectId HAVING bands > 3 ORDER BY f DESC LIMIT 10
-- leaf0 tables: $s0: synth.Source
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT p0 AS c0, count(DISTINCT p1) AS c1, qserv_in_range((sum(p2) / CAST(count(p2) AS DOUBLE))) AS c2, qserv_in_range((sum(p2) / CAST(count(p2) AS DOUBLE))) AS o0 FROM (SELECT t0."objectId" AS p0, t0."filterId" AS p1, t0."psfFlux" AS p2 FROM read_parquet($s0) AS t0) AS r GROUP BY p0 HAVING (count(DISTINCT p1) > 3) ORDER BY o0 DESC NULLS LAST LIMIT 10
-- merge SQL: SELECT c0, c1, c2 FROM leaf0 AS e ORDER BY o0 DESC NULLS LAST LIMIT 10
-- columns: objectId, bands, f
