SELECT sourceId, RANK() OVER (PARTITION BY objectId ORDER BY psfFlux DESC) AS place FROM Source
-- leaf0 tables: $s0: synth.Source
-- leaf0 chunks: all
-- leaf0 worker SQL: SELECT t0."sourceId" AS c0, rank() OVER (PARTITION BY t0."objectId" ORDER BY t0."psfFlux" DESC NULLS LAST) AS c1 FROM read_parquet($s0) AS t0
-- merge SQL: none: the workers' rows are the answer
-- columns: sourceId, place
