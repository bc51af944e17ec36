-- use: synth

-- a derived table
SELECT AVG(n) FROM (SELECT chunkId, COUNT(*) AS n FROM Object GROUP BY chunkId) t;

-- a filter around a derived table
SELECT t.objectId, t.colour FROM (SELECT objectId, gFlux - rFlux AS colour FROM Object WHERE variable = 1) t WHERE t.colour > 3000;

-- a derived table with a limit
SELECT COUNT(*), MIN(objectId) FROM (SELECT objectId FROM Object ORDER BY objectId DESC LIMIT 10) t;

-- a scalar subquery
SELECT COUNT(*) FROM Object WHERE rMag > (SELECT AVG(rMag) FROM Object);

-- a scalar subquery among the columns
SELECT (SELECT COUNT(*) FROM Source) AS sources, COUNT(*) AS objects FROM Object;

-- IN a subquery
SELECT COUNT(*) FROM Object WHERE objectId IN (SELECT objectId FROM Source WHERE psfFlux > 5000);

-- NOT IN a subquery
SELECT COUNT(*) FROM Object WHERE objectId NOT IN (SELECT objectId FROM Source);

-- EXISTS
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux > 5000);

-- NOT EXISTS
SELECT COUNT(*) FROM Object o WHERE NOT EXISTS (SELECT 1 FROM ForcedSource s WHERE s.objectId = o.objectId);

-- a correlated scalar subquery
SELECT o.objectId, (SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId) AS n FROM Object o WHERE o.decl > 89.3;

-- compared with ANY and ALL
SELECT COUNT(*) FROM Filter WHERE wavelength > ALL (SELECT wavelength FROM Filter WHERE filterId < 3) OR wavelength = ANY (SELECT MIN(wavelength) FROM Filter);

-- a common table expression
WITH bright AS (SELECT objectId, rMag FROM Object WHERE rMag < 18) SELECT COUNT(*), AVG(rMag) FROM bright;

-- two of them, one upon the other
WITH a AS (SELECT objectId, detections FROM Object WHERE variable = 1), b AS (SELECT detections, COUNT(*) AS n FROM a GROUP BY detections) SELECT * FROM b WHERE n > 50;

-- one used twice
WITH t AS (SELECT chunkId, COUNT(*) AS n FROM Object GROUP BY chunkId) SELECT COUNT(*) FROM t x JOIN t y ON x.n = y.n AND x.chunkId < y.chunkId;

-- a recursive one
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n, n * n FROM t;

-- UNION takes out doubles
SELECT detections FROM Object UNION SELECT filterId FROM Filter;

-- UNION ALL keeps them
SELECT filterId, name FROM Filter UNION ALL SELECT filterId, name FROM Filter;

-- a union of two regions
SELECT objectId FROM Object WHERE decl > 89.5 UNION ALL SELECT objectId FROM Object WHERE decl < -89.7;

-- a union in order
-- ordered
SELECT objectId, 'north' AS cap FROM Object WHERE decl > 89.8 UNION ALL SELECT objectId, 'south' FROM Object WHERE decl < -89.8 ORDER BY objectId LIMIT 20;

-- aggregates over a union
SELECT COUNT(*), SUM(n) FROM (SELECT COUNT(*) AS n FROM Object UNION ALL SELECT COUNT(*) FROM Source) t;

-- INTERSECT and EXCEPT
SELECT detections FROM Object WHERE variable = 1 INTERSECT SELECT filterId FROM Filter;

-- a window: the rank in a chunk
SELECT objectId, RANK() OVER (PARTITION BY chunkId ORDER BY rMag, objectId) AS r FROM Object WHERE decl > 88;

-- a window: running sums
SELECT objectId, SUM(detections) OVER (ORDER BY objectId) AS running FROM Object WHERE decl > 89;

-- a window: neighbours in order
SELECT sourceId, midPoint - LAG(midPoint) OVER (PARTITION BY objectId ORDER BY midPoint, sourceId) AS gap FROM Source WHERE objectId BETWEEN 433327840428032 AND 433327840428332;

-- a window: the share of the whole
SELECT UPPER(class) AS c, COUNT(*) / SUM(COUNT(*)) OVER () AS share FROM Object WHERE class IS NOT NULL GROUP BY UPPER(class);

-- the brightest of each class
SELECT objectId, c FROM (SELECT objectId, UPPER(class) AS c, ROW_NUMBER() OVER (PARTITION BY class ORDER BY iFlux DESC) AS r FROM Object WHERE class IS NOT NULL) t WHERE r <= 2;

-- a join of derived tables
SELECT COUNT(*) FROM (SELECT objectId FROM Object WHERE rMag < 20) a JOIN (SELECT objectId, AVG(psfFlux) AS f FROM Source GROUP BY objectId) b ON a.objectId = b.objectId WHERE b.f > 100;

-- two sky regions joined on a value
SELECT COUNT(*) FROM Object a JOIN Object b ON a.detections = b.detections WHERE a.decl > 89 AND b.decl < -89;

-- a subquery with its own limit and order in IN by way of a table
SELECT objectId, iFlux FROM Object WHERE objectId IN (SELECT objectId FROM (SELECT objectId FROM Object ORDER BY iFlux DESC, objectId LIMIT 5) t);

-- three levels
SELECT MAX(c) FROM (SELECT COUNT(*) AS c FROM (SELECT DISTINCT chunkId, detections FROM Object) a GROUP BY chunkId) b;

-- a query in parentheses with an order and a limit of its own
-- ordered
(SELECT objectId FROM Object WHERE decl > 89.8 ORDER BY objectId DESC LIMIT 5) ORDER BY objectId LIMIT 2;

-- HAVING on an alias without groups
SELECT objectId AS id, gFlux - rFlux AS colour FROM Object HAVING colour > 2000 AND id > 0;

-- a row of values equal to a subquery's row
SELECT objectId FROM Object WHERE (ra, decl) = (SELECT ra, decl FROM Object WHERE objectId = 433327840428102);

-- grouped by a correlated subquery's alias
SELECT (SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId) AS n, COUNT(*) AS c FROM Object o WHERE o.decl > 88 GROUP BY n HAVING c > 20;

-- a named window
SELECT sourceId, FIRST_VALUE(psfFlux) OVER w AS f, SUM(psfFlux) OVER (w ROWS UNBOUNDED PRECEDING) AS run FROM Source WHERE objectId < 433327840428300 WINDOW w AS (PARTITION BY objectId ORDER BY midPoint);
