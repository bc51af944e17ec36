SELECT s.sourceId FROM Object o JOIN Source s ON s.objectId = o.objectId WHERE o.objectId IN (433327840430132, 5)
-- leaf0 tables: $s0: synth.Object, $s1: synth.Source
-- leaf0 chunks: where the director index finds synth.Object.objectId in (433327840430132, 5)
-- leaf0 worker SQL: SELECT t1."sourceId" AS c0 FROM read_parquet($s0) AS t0 CROSS JOIN read_parquet($s1) AS t1 WHERE (t1."objectId" = t0."objectId") AND (t0."objectId" IN (433327840430132, 5))
-- merge SQL: none: the workers' rows are the answer
-- columns: sourceId
