SELECT objectId, ra, decl FROM Object WHERE objectId = 433327840430132
-- leaf0 tables: $s0: synth.Object
-- leaf0 chunks: where the director index finds synth.Object.objectId in (433327840430132)
-- leaf0 worker SQL: SELECT t0."objectId" AS c0, t0."ra" AS c1, t0."decl" AS c2 FROM read_parquet($s0) AS t0 WHERE (t0."objectId" = 433327840430132)
-- merge SQL: none: the workers' rows are the answer
-- columns: objectId, ra, decl
