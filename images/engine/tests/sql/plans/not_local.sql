SELECT COUNT(*) FROM Object a JOIN Object b ON a.detections = b.detections WHERE a.chunkId = 288 AND b.chunkId = 612
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: 288
-- leaf0 worker SQL: SELECT "detections", "chunkId" FROM read_parquet($s0) AS t0 WHERE (t0."chunkId" = 288)
-- leaf1 tables: $s0: synth.Object
-- leaf1 chunks: 612
-- leaf1 worker SQL: SELECT "detections", "chunkId" FROM read_parquet($s0) AS t1 WHERE (t1."chunkId" = 612)
-- merge SQL: SELECT c0 FROM (SELECT CAST(coalesce(sum(p0), 0) AS BIGINT) AS c0 FROM (SELECT count(*) AS p0 FROM leaf0 AS t0 CROSS JOIN leaf1 AS t1 WHERE (t0."detections" = t1."detections") AND (t0."chunkId" = 288) AND (t1."chunkId" = 612)) AS r) AS e
-- columns: COUNT(*)
