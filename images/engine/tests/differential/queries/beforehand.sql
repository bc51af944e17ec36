-- use: synth

-- fainter than the mean
SELECT COUNT(*) FROM Object WHERE rMag > (SELECT AVG(rMag) FROM Object);

-- the faintest of all, twice asked for
SELECT objectId, rMag - (SELECT AVG(rMag) FROM Object) AS d FROM Object WHERE rMag = (SELECT MAX(rMag) FROM Object);

-- a scalar of a scalar
SELECT objectId FROM Object WHERE rMag > (SELECT AVG(rMag) + 2.5 * STDDEV(rMag) FROM Object WHERE rMag > (SELECT MIN(rMag) + 1 FROM Object));

-- compared with nothing
SELECT COUNT(*) FROM Object WHERE rMag > (SELECT MIN(rMag) FROM Object WHERE 1 = 0) OR detections = (SELECT detections FROM Object WHERE objectId = 1);

-- scalars of every type shown
SELECT objectId, (SELECT AVG(score) FROM Object), (SELECT SUM(hits) FROM Object), (SELECT MAX(hits) FROM Object), (SELECT MIN(firstSeen) FROM Object), (SELECT MIN(name) FROM Object WHERE name LIKE 'd%'), (SELECT MAX(exposure) FROM Object), (SELECT MAX(lastNight) FROM Object), (SELECT stamp FROM Object WHERE objectId = 433327840428102), (SELECT MAX(rMag) FROM Object), (SELECT MAX(iFlux) FROM Object), (SELECT MIN(parity) FROM Object), (SELECT rMag FROM Object WHERE objectId = 1) FROM Object WHERE decl > 89.8;

-- scalars of every type compared
SELECT SUM(score > (SELECT AVG(score) FROM Object)), SUM(hits > (SELECT AVG(hits) FROM Object)), SUM(firstSeen > (SELECT MAX(lastNight) FROM Object WHERE decl > 89.9)), SUM(lastNight > (SELECT MIN(firstSeen) FROM Object WHERE decl > 89.9)), SUM(exposure > (SELECT MAX(exposure) FROM Object WHERE decl > 89.9)), SUM(name = (SELECT MAX(name) FROM Object WHERE name < 'e')), SUM(stamp = (SELECT MAX(stamp) FROM Object)), SUM(quality = (SELECT quality FROM Object WHERE objectId = 433327840428102)), SUM(parity < (SELECT AVG(parity) FROM Object)) FROM Object;

-- shares of the whole, of groups above the mean
SELECT detections, COUNT(*) / (SELECT COUNT(*) FROM Object) AS f, AVG(rMag) - (SELECT AVG(rMag) FROM Object) AS d FROM Object GROUP BY detections HAVING AVG(rMag) > (SELECT AVG(rMag) FROM Object);

-- whole groups against the mean of groups
SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId HAVING COUNT(*) > (SELECT AVG(c) * 3 FROM (SELECT COUNT(*) AS c FROM Source GROUP BY objectId) t);

-- groups by the distance from a scalar
SELECT detections - (SELECT MIN(detections) FROM Object) AS k, COUNT(*) FROM Object GROUP BY detections - (SELECT MIN(detections) FROM Object);

-- in the order of the distance from the mean
-- ordered
SELECT objectId FROM Object WHERE decl > 89.5 ORDER BY ABS(rMag - (SELECT AVG(rMag) FROM Object)), objectId LIMIT 5;

-- within an aggregate
SELECT SUM((rMag - (SELECT AVG(rMag) FROM Object)) * (rMag - (SELECT AVG(rMag) FROM Object))) / COUNT(rMag) AS v FROM Object;

-- between two scalars
SELECT COUNT(*) FROM Object WHERE rMag BETWEEN (SELECT AVG(rMag) - 1 FROM Object) AND (SELECT AVG(rMag) + 1 FROM Object);

-- in the ON of a LEFT JOIN
SELECT COUNT(*), COUNT(s.sourceId) FROM Object o LEFT JOIN Source s ON s.objectId = o.objectId AND s.psfFlux > (SELECT AVG(psfFlux) FROM Source);

-- of tables that are fetched
SELECT COUNT(*) FROM Object a JOIN Object b ON a.detections = b.detections AND a.objectId < b.objectId WHERE a.rMag < (SELECT MIN(rMag) + 1.5 FROM Object) AND b.rMag < (SELECT MIN(rMag) + 1.5 FROM Object);

-- of pairs of neighbours
SELECT COUNT(*) FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01 AND a.objectId < b.objectId AND a.decl > 88 AND b.decl > 87.5 AND a.rMag < (SELECT AVG(rMag) FROM Object) AND b.detections IN (SELECT filterId FROM Source WHERE psfFlux > 100);

-- within a subquery by key
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux > (SELECT 10 * AVG(psfFlux) FROM Source));

-- no text is taken for an answer
SELECT COUNT(*) FROM Object WHERE name <> '\0answer0\0' AND name <> '{answer0}' AND rMag < (SELECT AVG(rMag) FROM Object);

-- above the mean in both parts of a union
SELECT COUNT(*) AS n FROM Object WHERE rMag < (SELECT AVG(rMag) FROM Object) UNION ALL SELECT COUNT(*) FROM Object WHERE rMag >= (SELECT AVG(rMag) FROM Object);

-- the brightest object by its key
SELECT objectId FROM Object WHERE objectId = (SELECT objectId FROM Object ORDER BY iFlux DESC LIMIT 1);

-- whether there is any
SELECT COUNT(*) FROM Object WHERE EXISTS (SELECT 1 FROM Source WHERE psfFlux > 5000) AND NOT EXISTS (SELECT 1 FROM gaia.Star WHERE mag < -5);

-- whether there is any, of none and of one
SELECT EXISTS (SELECT 1 FROM Source LIMIT 0) AS a, NOT EXISTS (SELECT MAX(psfFlux) FROM Source WHERE 1 = 0) AS b, EXISTS (SELECT objectId FROM Source GROUP BY objectId HAVING COUNT(*) > 1000) AS c, COUNT(*) FROM Object;

-- values in a list of every type
SELECT SUM(score IN (SELECT score FROM Object WHERE decl > 89.5)), SUM(firstSeen IN (SELECT firstSeen FROM Object WHERE decl > 89.5)), SUM(lastNight IN (SELECT DATE(firstSeen) FROM Object WHERE decl > 89.5)), SUM(exposure IN (SELECT exposure FROM Object WHERE decl > 88.5)), SUM(hits IN (SELECT hits FROM Object WHERE decl > 89.5)), SUM(stamp IN (SELECT stamp FROM Object WHERE decl > 89.5)), SUM(quality IN (SELECT quality FROM Object WHERE decl > 89.9)), SUM(rMag IN (SELECT rMag FROM Object WHERE decl > 89.5)), SUM(name IN (SELECT UPPER(name) FROM Object WHERE decl > 89.8)) FROM Object;

-- values that are not in a list
SELECT SUM(detections NOT IN (SELECT parity FROM Object WHERE parity > 3)), SUM(detections NOT IN (SELECT parity FROM Object)), SUM(rMag NOT IN (SELECT rMag FROM Object WHERE 1 = 0)) FROM Object;

-- rows of values in a list
SELECT COUNT(*) FROM Object WHERE (detections, variable) IN (SELECT detections, variable FROM Object WHERE decl > 89.9);

-- ALL and ANY of a list
SELECT SUM(detections > ALL (SELECT filterId FROM Source WHERE 1 = 0)), SUM(detections > ANY (SELECT detections FROM Object WHERE decl > 89.9)), SUM(detections <> ALL (SELECT parity FROM Object WHERE parity > 3)) FROM Object;

-- a list that is too long
SELECT COUNT(*) FROM Object WHERE objectId - 433322840428032 NOT IN (SELECT sourceId FROM Source) AND rMag < (SELECT AVG(rMag) FROM Object);

-- stars of a match
SELECT COUNT(*), AVG(mag) FROM gaia.Star WHERE source_id IN (SELECT source_id FROM ObjectStar WHERE distance < 0.002);

-- a replicated table against a list of chunks
SELECT name, (SELECT COUNT(*) FROM Source) AS n FROM Filter WHERE filterId IN (SELECT filterId FROM Source WHERE psfFlux > 20000);

-- beyond two deviations by a derived table
WITH m AS (SELECT AVG(rMag) AS a, STDDEV(rMag) AS s FROM Object) SELECT COUNT(*) FROM Object o JOIN m WHERE o.rMag > m.a + 2 * m.s;

-- groups joined on a value
SELECT COUNT(*), SUM(s.n) FROM Object o JOIN (SELECT filterId, COUNT(*) AS n FROM Source GROUP BY filterId) s ON s.filterId = o.detections;

-- groups on the optional side
SELECT COUNT(*), COUNT(s.n) FROM Object o LEFT JOIN (SELECT filterId, COUNT(*) AS n FROM Source GROUP BY filterId) s ON s.filterId = o.detections;

-- groups on the side that is kept
SELECT s.filterId, s.n, COUNT(o.objectId) FROM (SELECT filterId, COUNT(*) AS n FROM Source GROUP BY filterId) s LEFT JOIN Object o ON s.filterId = o.detections GROUP BY s.filterId, s.n;

-- the brightest sources with their objects
-- ordered
SELECT o.objectId, o.rMag, s.psfFlux FROM Object o JOIN (SELECT objectId, psfFlux FROM Source ORDER BY psfFlux DESC LIMIT 9) s USING (objectId) ORDER BY s.psfFlux DESC;

-- a derived table of every type
SELECT b.*, o.objectId FROM Object o JOIN (SELECT detections AS d, MAX(score) AS a, MAX(firstSeen) AS b, MAX(lastNight) AS c, MAX(exposure) AS e, MAX(hits) AS f, MAX(rMag) AS g, SUM(hits) AS h, AVG(score) AS i, COUNT(*) AS j, MAX(stamp) AS k, MIN(name) IS NULL AS l FROM Object GROUP BY d) b ON o.detections = b.d WHERE o.decl > 89;

-- double rows of a derived table stay double
SELECT COUNT(*) FROM Object o JOIN (SELECT filterId FROM Source ORDER BY sourceId LIMIT 100) s ON s.filterId = o.detections;

-- a derived table that is too long
SELECT COUNT(*) FROM Object o JOIN (SELECT filterId FROM Source ORDER BY sourceId LIMIT 15000) s ON s.filterId = o.detections;

-- a step of a recursion
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < (SELECT COUNT(*) / 500 FROM Object)) SELECT t.n, COUNT(o.objectId) FROM t LEFT JOIN Object o ON o.detections = t.n GROUP BY t.n;
