-- use: synth

-- IS NULL and IS NOT NULL
SELECT SUM(gFlux IS NULL), SUM(name IS NOT NULL), SUM(ISNULL(score)) FROM Object;

-- arithmetic with NULL
SELECT objectId, gFlux + 1 AS a, NULL + 1 AS b, gFlux * NULL AS c FROM Object WHERE gFlux IS NULL AND chunkId < 100;

-- NULL AND, NULL OR
SELECT NULL AND 0, NULL AND 1, NULL OR 0, NULL OR 1, NOT NULL, NULL XOR 1;

-- COALESCE, IFNULL, NULLIF
SELECT objectId, COALESCE(gFlux, rFlux, -1) AS a, IFNULL(parity, 0) AS b, NULLIF(detections, 7) AS c, IFNULL(name, 'none') AS d FROM Object WHERE chunkId < 3;

-- IF
SELECT objectId, IF(rMag < 20, 'bright', 'faint') AS a, IF(gFlux IS NULL, 0, gFlux) AS b FROM Object WHERE chunkId < 3;

-- CASE without ELSE
SELECT objectId, CASE WHEN rMag < 19 THEN 1 WHEN rMag < 22 THEN 2 END AS a FROM Object WHERE chunkId < 3;

-- CASE of mixed types
SELECT objectId, CASE WHEN variable THEN detections ELSE ra END AS a, CASE WHEN variable THEN detections ELSE class END AS b FROM Object WHERE chunkId < 3;

-- aggregates pass over NULL
SELECT COUNT(*), COUNT(gFlux), COUNT(name), AVG(parity), SUM(parity), MIN(rMag), MAX(rMag) FROM Object;

-- aggregates over nothing
SELECT COUNT(*), COUNT(gFlux), SUM(gFlux), AVG(gFlux), MIN(gFlux), MAX(name) FROM Object WHERE ra > 400;

-- aggregates over nothing, restricted to no chunk at all
SELECT COUNT(*) AS n, SUM(detections) AS s, MAX(class) AS m FROM Object WHERE objectId = 3;

-- groups over nothing are none
SELECT class, COUNT(*) FROM Object WHERE ra > 400 GROUP BY class;

-- NULL is a group
SELECT parity IS NULL AS missing, COUNT(*) FROM Object GROUP BY parity IS NULL;

-- NULL sorts first
-- ordered
SELECT objectId, parity FROM Object WHERE chunkId < 40 ORDER BY parity, objectId;

-- NULL sorts last downwards
-- ordered
SELECT objectId, parity FROM Object WHERE chunkId < 40 ORDER BY parity DESC, objectId;

-- NULL strings sort first
-- ordered
SELECT objectId, name IS NULL AS n FROM Object WHERE chunkId < 40 ORDER BY name, objectId;

-- DISTINCT keeps one NULL
SELECT COUNT(*), COUNT(parity) FROM (SELECT DISTINCT parity FROM Object) p;

-- COUNT DISTINCT passes over NULL
SELECT COUNT(DISTINCT parity), COUNT(DISTINCT class), COUNT(DISTINCT gFlux IS NULL) FROM Object;

-- GREATEST with NULL
SELECT GREATEST(1, NULL, 3), LEAST(NULL, 1), COALESCE(NULL, NULL), CONCAT('a', NULL);

-- LIKE with NULL
SELECT NULL LIKE 'a', 'a' LIKE NULL, NULL NOT LIKE 'a';

-- one of two values, by what is NULL
SELECT objectId, NVL(rMag, 0), NVL2(class, 1, score), NVL2(rMag, class, name) FROM Object;
