SELECT o.objectId, g.mag FROM Object o JOIN ObjectStar m ON o.objectId = m.objectId JOIN gaia.Star g ON g.source_id = m.source_id
-- leaf0 tables: $s0: synth.Object, $s1: synth.ObjectStar, $s2: gaia.Star, $s3: gaia.Star (overlap)
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t0."objectId" AS c0, t2."mag" AS c1 FROM read_parquet($s0) AS t0 CROSS JOIN read_parquet($s1) AS t1 CROSS JOIN (SELECT "source_id", "mag", "chunkId" AS "q:host" FROM read_parquet($s2) AS t2 UNION ALL SELECT "source_id", "mag", "hostChunkId" AS "q:host" FROM read_parquet($s3) AS t2) AS t2 WHERE (t0."objectId" = t1."objectId") AND (t2."source_id" = t1."source_id") AND t2."q:host" = t1."chunkId"
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId, mag
