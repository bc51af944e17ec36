SELECT COUNT(*) FROM Object WHERE qserv_areaspec_circle(267.5, -29.5, 0.1) AND rFlux > 10
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: 239
-- leaf0 worker SQL: SELECT count(*) AS p0 FROM read_parquet($s0) AS t0 WHERE (t0."rFlux" > 10.0e0) AND (t0."decl" BETWEEN -29.60000171987339 AND -29.399998280126617) AND (scisql_s2PtInCircle(t0."ra", t0."decl", 267.5e0, -29.5e0, 0.1e0) = 1)
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM leaf0 AS r) AS e
-- columns: COUNT(*)
