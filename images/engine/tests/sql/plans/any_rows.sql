SELECT objectId FROM Object WHERE flags & 4 LIMIT 10
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t0."objectId" AS c0 FROM read_parquet($s0) AS t0 WHERE ((qserv_bits(CAST(t0."flags" AS BIGINT)) & qserv_bits(4)) <> 0) LIMIT 10
-- leaf0 limit: 10 rows suffice
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId
