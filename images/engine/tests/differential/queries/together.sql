-- use: synth

-- keys that others have not
SELECT COUNT(*) FROM Object o WHERE o.objectId NOT IN (SELECT s.objectId FROM Source s WHERE s.flagged = 1);

-- a key in a subquery or else
SELECT COUNT(*) FROM Object o WHERE o.objectId IN (SELECT s.objectId FROM Source s WHERE s.flagged = 1) OR o.rMag < 18;

-- groups by whether a key is there
SELECT o.objectId IN (SELECT s.objectId FROM Source s WHERE s.flagged = 1) AS f, COUNT(*) FROM Object o GROUP BY f;

-- groups by EXISTS
SELECT EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId) AS has, COUNT(*), AVG(o.rMag) FROM Object o GROUP BY has;

-- NOT IN of the optional side's key
SELECT COUNT(*) FROM Object o LEFT JOIN Source s ON s.objectId = o.objectId AND s.psfFlux > 5000 WHERE s.objectId NOT IN (SELECT objectId FROM ForcedSource);

-- NOT IN of nothing, of the optional side's key
SELECT COUNT(*) FROM Object o LEFT JOIN Source s ON s.objectId = o.objectId AND s.psfFlux > 5000 WHERE NOT s.objectId IN (SELECT objectId FROM ForcedSource WHERE 1 = 0);

-- IN within the ON of a LEFT JOIN
SELECT COUNT(*) FROM Object o LEFT JOIN Source s ON s.objectId = o.objectId AND s.objectId IN (SELECT f.objectId FROM ForcedSource f) WHERE o.decl > 50;

-- a RIGHT JOIN with groups
SELECT o.objectId, s.n FROM Object o RIGHT JOIN (SELECT objectId, COUNT(*) n FROM Source GROUP BY objectId HAVING COUNT(*) > 15) s ON s.objectId = o.objectId;

-- groups before a LEFT JOIN
SELECT o.objectId, s.n FROM (SELECT objectId, COUNT(*) n FROM Source GROUP BY objectId HAVING COUNT(*) > 15) s LEFT JOIN Object o ON s.objectId = o.objectId AND o.rMag > 20;

-- objects without groups
SELECT COUNT(*) FROM (SELECT objectId FROM Object WHERE rMag < 20) a LEFT JOIN (SELECT objectId, AVG(psfFlux) f FROM Source GROUP BY objectId) b USING (objectId) WHERE b.f IS NULL;

-- groups of some keys
SELECT t.objectId, t.n FROM (SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId) t WHERE t.objectId IN (433327840428102, 433327840430132);

-- groups of some chunks
SELECT t.k, t.n FROM (SELECT chunkId k, COUNT(*) AS n FROM Source GROUP BY chunkId) t WHERE t.k BETWEEN 200 AND 300;

-- groups of groups by chunk
SELECT t.chunkId, SUM(t.c) FROM (SELECT objectId, chunkId, COUNT(*) AS c FROM Source GROUP BY objectId, chunkId) t GROUP BY t.chunkId;

-- counts of chunks beside their rows
SELECT a.chunkId, a.n, b.objectId FROM (SELECT chunkId, COUNT(*) n FROM Object GROUP BY chunkId) a JOIN Object b ON b.chunkId = a.chunkId WHERE b.decl > 88;

-- rows of one chunk joined on a value
SELECT a.objectId, b.objectId FROM Object a JOIN Object b ON a.chunkId = b.chunkId AND a.detections = b.detections AND a.objectId < b.objectId WHERE a.decl > 89.3 AND b.decl > 89.3;

-- how many different keys and values
SELECT COUNT(*) FROM (SELECT DISTINCT objectId, filterId FROM Source) t;

-- DISTINCT counts of whole groups
SELECT DISTINCT COUNT(*) AS n FROM Source GROUP BY objectId ORDER BY n DESC LIMIT 5;

-- DISTINCT of a window
SELECT DISTINCT o.detections, COUNT(*) OVER (PARTITION BY o.objectId) FROM Object o JOIN Source s USING (objectId) WHERE o.decl > 89 ORDER BY 1, 2 LIMIT 5;

-- the top of whole groups
SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId ORDER BY n DESC, objectId LIMIT 5 OFFSET 3;

-- sums of sums by a key and more
SELECT objectId, filterId, COUNT(*) FROM Source WHERE objectId < 433327840428300 GROUP BY objectId, filterId WITH ROLLUP;

-- a rank of whole groups
SELECT objectId, COUNT(*) AS n, RANK() OVER (ORDER BY COUNT(*) DESC, objectId) r FROM Source GROUP BY objectId HAVING n > 12;

-- the longest rank within a key
SELECT MAX(r) FROM (SELECT objectId, RANK() OVER (PARTITION BY objectId ORDER BY psfFlux) r FROM Source) t;

-- ranks within a key and over all
SELECT objectId, sourceId, RANK() OVER (PARTITION BY objectId ORDER BY psfFlux, sourceId) r, ROW_NUMBER() OVER (ORDER BY sourceId) g FROM Source WHERE objectId < 433327840428300;

-- the last ranks within a chunk
SELECT chunkId, objectId, RANK() OVER (PARTITION BY chunkId ORDER BY iFlux DESC) r FROM Object ORDER BY r DESC, objectId LIMIT 3;

-- the brightest source of each object
SELECT o.objectId, x.r FROM Object o JOIN (SELECT objectId, sourceId, RANK() OVER (PARTITION BY objectId ORDER BY psfFlux DESC) r FROM Source) x ON x.objectId = o.objectId AND x.r = 1 WHERE o.decl > 88;

-- two scalars of an object compared
SELECT COUNT(*) FROM Object o WHERE (SELECT MAX(psfFlux) FROM Source s WHERE s.objectId = o.objectId) > (SELECT 3 * AVG(psfFlux) FROM Source s WHERE s.objectId = o.objectId);

-- a scalar with a small subquery inside
SELECT o.objectId, (SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId AND s.filterId IN (SELECT f.filterId FROM Filter f WHERE f.name > 'g')) FROM Object o WHERE o.decl > 88.5;

-- EXISTS within EXISTS
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND EXISTS (SELECT 1 FROM ForcedSource f WHERE f.objectId = s.objectId AND f.filterId = s.filterId));

-- EXISTS with a mean of the outermost object
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux > (SELECT AVG(f.psfFlux) FROM ForcedSource f WHERE f.objectId = o.objectId));

-- EXISTS over a match
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM ObjectStar m JOIN gaia.Star g ON g.source_id = m.source_id WHERE m.objectId = o.objectId AND g.mag < 10);

-- the brightest match of each object
SELECT o.objectId, x.mag FROM Object o JOIN (SELECT m.objectId, MIN(g.mag) mag FROM ObjectStar m JOIN gaia.Star g ON g.source_id = m.source_id GROUP BY m.objectId) x ON x.objectId = o.objectId;

-- matches of some objects
SELECT COUNT(*) FROM ObjectStar m WHERE m.objectId IN (SELECT objectId FROM Object WHERE rMag < 21);

-- matches of some stars
SELECT COUNT(*) FROM ObjectStar m WHERE m.source_id IN (SELECT source_id FROM gaia.Star WHERE mag < 11);

-- a key that is shifted
SELECT COUNT(*) FROM Object o WHERE o.objectId IN (SELECT s.objectId + 7 FROM Source s);

-- a value in a subquery by key
SELECT COUNT(*) FROM Object o WHERE o.detections IN (SELECT s.filterId FROM Source s WHERE s.objectId = o.objectId);

-- a value and a key not in a subquery
SELECT COUNT(*) FROM Object o WHERE (o.detections, o.objectId) NOT IN (SELECT s.filterId, s.objectId FROM Source s WHERE s.flagged = 1);

-- a key that is none of all
SELECT COUNT(*) FROM Object o WHERE o.objectId <> ALL (SELECT s.objectId FROM Source s WHERE s.flagged = 1);

-- a key of one table or another
SELECT COUNT(*) FROM Object o WHERE o.objectId IN (SELECT objectId FROM Source WHERE filterId = 1 UNION SELECT objectId FROM ForcedSource WHERE filterId = 2);

-- grouped rows beside a scalar by key
SELECT o.objectId, COUNT(*), (SELECT COUNT(*) FROM ForcedSource f WHERE f.objectId = o.objectId) AS nf FROM Object o JOIN Source s ON s.objectId = o.objectId WHERE o.decl > 89 GROUP BY o.objectId;

-- HAVING against a scalar by key
SELECT o.objectId, COUNT(*) AS c FROM Object o JOIN Source s ON s.objectId = o.objectId WHERE o.decl > 85 GROUP BY o.objectId HAVING c > (SELECT COUNT(*) FROM ForcedSource f WHERE f.objectId = o.objectId);

-- a group's column seen by a subquery
SELECT o.detections, COUNT(*) AS c, (SELECT COUNT(*) FROM Source s WHERE s.filterId = o.detections) AS n FROM Object o GROUP BY o.detections;

-- HAVING EXISTS
SELECT o.detections, COUNT(*) AS c FROM Object o GROUP BY o.detections HAVING EXISTS (SELECT 1 FROM Filter f WHERE f.filterId = o.detections);

-- a sum of scalars by key
SELECT o.detections, SUM((SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId)) AS c FROM Object o GROUP BY o.detections;

-- whether a group's key is elsewhere
SELECT o.objectId, o.objectId IN (SELECT f.objectId FROM ForcedSource f) AS forced, COUNT(*) FROM Object o JOIN Source s USING (objectId) WHERE o.decl > 89 GROUP BY o.objectId;

-- HAVING above a mean of groups
SELECT detections, COUNT(*) FROM Object GROUP BY detections HAVING COUNT(*) > (SELECT AVG(n) FROM (SELECT COUNT(*) n FROM Object GROUP BY detections) t);

-- means of two children
WITH a AS (SELECT objectId, AVG(psfFlux) f FROM Source GROUP BY objectId), b AS (SELECT objectId, AVG(psfFlux) f FROM ForcedSource GROUP BY objectId) SELECT COUNT(*), AVG(a.f - b.f) FROM a JOIN b ON a.objectId = b.objectId;

-- a common table in a scalar subquery
WITH a AS (SELECT objectId, AVG(psfFlux) f FROM Source GROUP BY objectId) SELECT COUNT(*) FROM Object o WHERE o.rFlux > (SELECT a.f FROM a WHERE a.objectId = o.objectId);

-- a join within a derived table joined again
SELECT COUNT(*) FROM (SELECT o.objectId, s.sourceId FROM Object o JOIN Source s ON s.objectId = o.objectId) a JOIN (SELECT objectId FROM ForcedSource WHERE psfFlux > 3000) b ON b.objectId = a.objectId;

-- the first hundred joined
SELECT COUNT(*) FROM (SELECT objectId FROM Object ORDER BY objectId LIMIT 100) a JOIN Source s ON s.objectId = a.objectId;

-- all small rows beside groups
SELECT f.name, t.n FROM Filter f LEFT JOIN (SELECT objectId, filterId, COUNT(*) n FROM Source WHERE objectId < 433327840428300 GROUP BY objectId, filterId) t ON t.filterId = f.filterId;

-- a small subquery with a value of each row
SELECT COUNT(*) FROM Source s WHERE EXISTS (SELECT 1 FROM Filter f WHERE f.filterId = s.filterId AND f.wavelength * 10 > s.psfFlux);

-- the first source of each object
SELECT s1.objectId FROM Source s1 WHERE s1.midPoint = (SELECT MIN(s2.midPoint) FROM Source s2 WHERE s2.objectId = s1.objectId) AND s1.filterId = 3;

-- the faintest of each chunk
SELECT o.chunkId, o.objectId FROM Object o JOIN (SELECT chunkId, MAX(rMag) m FROM Object GROUP BY chunkId) t ON t.chunkId = o.chunkId AND t.m = o.rMag;

-- many aggregates of whole groups
SELECT objectId, AVG(psfFlux), SUM(flagged), GROUP_CONCAT(filterId ORDER BY sourceId), COUNT(DISTINCT filterId), MIN(filterId), STDDEV(psfFlux) FROM Source WHERE objectId < 433327840428300 GROUP BY objectId;

-- aggregates over two children
SELECT objectId, COUNT(*) n, AVG(f) FROM (SELECT objectId, psfFlux f FROM Source UNION ALL SELECT objectId, psfFlux FROM ForcedSource) u GROUP BY objectId HAVING n > 18;

-- different keys of two children
SELECT COUNT(*) FROM (SELECT objectId FROM Source UNION SELECT objectId FROM ForcedSource) u;

-- keys that two children have
SELECT COUNT(*) FROM (SELECT objectId FROM Source INTERSECT SELECT objectId FROM ForcedSource) u;

-- keys without children
SELECT COUNT(*) FROM (SELECT objectId FROM Object EXCEPT SELECT objectId FROM Source) u;

-- rows in chunks and small ones together
SELECT COUNT(*) FROM (SELECT objectId FROM Source UNION ALL SELECT filterId FROM Filter) u;

-- sources of two regions
SELECT u.objectId, s.sourceId FROM (SELECT objectId FROM Object WHERE decl > 89.8 UNION ALL SELECT objectId FROM Object WHERE decl < -89.8) u JOIN Source s ON s.objectId = u.objectId;

-- EXISTS of a union by key
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT s.sourceId FROM Source s WHERE s.objectId = o.objectId UNION SELECT f.forcedId FROM ForcedSource f WHERE f.objectId = o.objectId);

-- the latest flux of each object
SELECT o.objectId, (SELECT s.psfFlux FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux IS NOT NULL ORDER BY s.midPoint DESC, s.sourceId LIMIT 1) AS latest FROM Object o WHERE o.decl > 88;
