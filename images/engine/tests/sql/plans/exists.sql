SELECT o.objectId FROM Object o WHERE o.chunkId = 288 AND EXISTS (SELECT 1 FROM Source s JOIN Filter f USING (filterId) WHERE s.objectId = o.objectId AND f.name = 'r')
-- leaf0 tables: $s0: synth.Source, $s1: synth.Filter, $s2: synth.Object
-- leaf0 chunks: 288
-- leaf0 worker SQL: SELECT t0."objectId" AS c0 FROM read_parquet($s2) AS t0 WHERE (t0."chunkId" = 288) AND EXISTS (SELECT CAST(1 AS BIGINT) AS c0 FROM read_parquet($s0) AS t1 CROSS JOIN read_parquet($s1) AS t2 WHERE (t1."filterId" = t2."filterId") AND (t1."objectId" = t0."objectId") AND (qserv_fold(t2."name") = qserv_fold('r')))
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId
