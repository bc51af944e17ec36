SELECT o.objectId, o.rMag, s.n FROM Object o JOIN (SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId) s ON s.objectId = o.objectId WHERE qserv_areaspec_circle(267.5, -29.5, 0.1) AND s.n > 5
-- leaf0 tables: $s0: synth.Object, $s1: synth.Source
-- leaf0 chunks: 239
-- leaf0 worker SQL: SELECT t0."objectId" AS c0, t0."rMag" AS c1, t2."c1" AS c2 FROM read_parquet($s0) AS t0 CROSS JOIN (SELECT c0, c1 FROM (SELECT p0 AS c0, count(*) AS c1 FROM (SELECT t1."objectId" AS p0, 1 AS p1 FROM read_parquet($s1) AS t1) AS r GROUP BY p0) AS e) AS t2 WHERE (t2."c0" = t0."objectId") AND (t2."c1" > 5) AND (t0."decl" BETWEEN -29.60000171987339 AND -29.399998280126617) AND (scisql_s2PtInCircle(t0."ra", t0."decl", 267.5e0, -29.5e0, 0.1e0) = 1)
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId, rMag, n
