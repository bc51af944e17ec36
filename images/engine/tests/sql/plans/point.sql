SELECT * FROM Filter WHERE filterId = 3
-- leaf0 tables: $s0: synth.Filter
-- leaf0 chunks: none: replicated tables, on one worker
-- leaf0 worker SQL: SELECT t0."filterId" AS c0, t0."name" AS c1, t0."wavelength" AS c2 FROM read_parquet($s0) AS t0 WHERE (t0."filterId" = 3)
-- merge SQL: none: the workers' rows are the answer
-- columns: filterId, name, wavelength
