SELECT a.objectId, b.objectId FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01 AND a.objectId <> b.objectId AND a.rFlux > 5
-- leaf0 tables: $s0: synth.Object, $s1: synth.Object (overlap)
-- leaf0 chunks: all
-- leaf0 pairs0: neighbours within 0.01 degrees
-- leaf0 pairs0 of: SELECT t0."chunkId" AS "q:host", CAST(t0."ra" AS DOUBLE) AS "q:ra", CAST(t0."decl" AS DOUBLE) AS "q:decl", struct_pack("objectId" := t0."objectId") AS t0 FROM read_parquet($s0) AS t0 WHERE (t0."rFlux" > 5.0e0)
-- leaf0 pairs0 with: SELECT t1."q:host" AS "q:host", CAST(t1."ra" AS DOUBLE) AS "q:ra", CAST(t1."decl" AS DOUBLE) AS "q:decl", struct_pack("objectId" := t1."objectId") AS t1 FROM (SELECT "ra", "decl", "objectId", "chunkId" AS "q:host" FROM read_parquet($s0) AS t1 UNION ALL SELECT "ra", "decl", "objectId", "hostChunkId" AS "q:host" FROM read_parquet($s1) AS t1) AS t1
-- leaf0 worker SQL: SELECT t0."objectId" AS c0, t1."objectId" AS c1 FROM "q:pairs0" WHERE (t0."objectId" <> t1."objectId")
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId, objectId
