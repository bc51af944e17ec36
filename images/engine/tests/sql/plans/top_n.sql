SELECT objectId, iFlux FROM Object ORDER BY iFlux DESC LIMIT 5, 10
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t0."objectId" AS c0, t0."iFlux" AS c1 FROM read_parquet($s0) AS t0 ORDER BY c1 DESC NULLS LAST LIMIT 15
-- merge SQL: SELECT c0, c1 FROM leaf0 AS e ORDER BY c1 DESC NULLS LAST LIMIT 10 OFFSET 5
-- columns: objectId, iFlux
