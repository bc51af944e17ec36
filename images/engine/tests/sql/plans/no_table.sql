SELECT 1 + 1, NOW() IS NULL
-- merge SQL: SELECT (CAST(1 AS BIGINT) + CAST(1 AS BIGINT)) AS c0, CAST((date_trunc('second', qserv_now()) IS NULL) AS INTEGER) AS c1
-- columns: 1 + 1, NOW() IS NULL
