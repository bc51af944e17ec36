-- use: synth

-- a director with its child
SELECT o.objectId, s.sourceId, o.rMag, s.psfFlux FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE s.midPoint < 60010;

-- the condition in WHERE
SELECT o.objectId, s.sourceId FROM Object o, Source s WHERE o.objectId = s.objectId AND s.psfFlux > 20000;

-- the child of one object
SELECT s.sourceId, s.midPoint, o.ra FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE o.objectId = 433327840428102;

-- the child by its own key column
SELECT sourceId, psfFlux FROM Source WHERE objectId = 433327840428102;

-- USING
SELECT COUNT(*), AVG(psfFlux) FROM Object JOIN Source USING (objectId) WHERE rMag < 20;

-- USING shows its column once
SELECT * FROM ForcedSource JOIN Object USING (objectId) WHERE objectId = 433327840428102;

-- NATURAL JOIN with a replicated table
SELECT COUNT(*), AVG(wavelength) FROM Source NATURAL JOIN Filter;

-- grouped over a join
SELECT UPPER(o.class) AS c, COUNT(*) AS n, AVG(s.psfFlux) AS f FROM Object o JOIN Source s ON s.objectId = o.objectId GROUP BY o.class HAVING n > 10;

-- objects without detections
SELECT o.objectId FROM Object o LEFT JOIN Source s ON o.objectId = s.objectId WHERE s.sourceId IS NULL AND o.chunkId < 100;

-- a left join keeps all objects
SELECT COUNT(*), COUNT(s.sourceId) FROM Object o LEFT JOIN Source s ON o.objectId = s.objectId AND s.psfFlux > 1000;

-- detections counted by object, also those without
SELECT o.objectId, COUNT(s.sourceId) AS n FROM Object o LEFT JOIN Source s ON o.objectId = s.objectId WHERE o.decl > 89 GROUP BY o.objectId;

-- a right join
SELECT COUNT(*) FROM Source s RIGHT JOIN Object o ON o.objectId = s.objectId WHERE o.detections = 3;

-- two children
SELECT COUNT(*) FROM Object o JOIN Source s ON o.objectId = s.objectId JOIN ForcedSource f ON f.objectId = o.objectId WHERE o.detections > 30;

-- child with child
SELECT COUNT(*) FROM Source s JOIN ForcedSource f ON s.objectId = f.objectId AND s.filterId = f.filterId;

-- with a replicated table
SELECT f.name, COUNT(*) AS n, MIN(s.psfFlux) AS low FROM Source s JOIN Filter f ON s.filterId = f.filterId GROUP BY f.name;

-- a left join with a replicated table
SELECT s.filterId, f.name, COUNT(*) AS n FROM Source s LEFT JOIN Filter f ON s.filterId = f.filterId GROUP BY s.filterId, f.name;

-- three tables
SELECT UPPER(o.class) AS c, f.name, COUNT(*) AS n FROM Object o JOIN Source s ON o.objectId = s.objectId JOIN Filter f ON f.filterId = s.filterId GROUP BY o.class, f.name;

-- a replicated table of another database
SELECT COUNT(*), MIN(n.name) FROM Object o JOIN ongc.Object n ON n.id = o.detections;

-- two replicated tables
SELECT f.name, n.name, n.vmag FROM Filter f JOIN ongc.Object n ON n.id = f.filterId + 1;

-- a cross join of small tables
SELECT a.name, b.name FROM Filter a CROSS JOIN Filter b WHERE a.filterId < b.filterId;

-- a self-join on the director's key
SELECT COUNT(*), SUM(a.rMag - b.rMag) FROM Object a JOIN Object b ON a.objectId = b.objectId;

-- pairs of detections of an object
SELECT COUNT(*) FROM Source a JOIN Source b ON a.objectId = b.objectId WHERE a.sourceId < b.sourceId AND a.filterId = b.filterId;

-- a match table alone
SELECT COUNT(*), MAX(distance) FROM ObjectStar;

-- a match with its first director
SELECT m.rank, o.objectId, o.rMag FROM ObjectStar m JOIN Object o ON m.objectId = o.objectId;

-- a match with its second director
SELECT m.rank, g.mag FROM ObjectStar m JOIN gaia.Star g ON g.source_id = m.source_id;

-- a match with both directors
SELECT m.rank, o.ra, g.ra, o.rMag, g.mag FROM Object o JOIN ObjectStar m ON o.objectId = m.objectId JOIN gaia.Star g ON g.source_id = m.source_id;

-- a match with both directors, filtered and grouped
SELECT UPPER(o.class) AS c, COUNT(*) AS n, AVG(g.mag) AS mag FROM ObjectStar m, Object o, gaia.Star g WHERE m.objectId = o.objectId AND m.source_id = g.source_id AND m.distance < 0.005 GROUP BY o.class;

-- a match, a director and its child
SELECT COUNT(*), AVG(s.psfFlux) FROM ObjectStar m JOIN Object o ON m.objectId = o.objectId JOIN Source s ON s.objectId = o.objectId;

-- objects without a match
SELECT COUNT(*) FROM Object o LEFT JOIN ObjectStar m ON m.objectId = o.objectId WHERE m.rank IS NULL;

-- the same rows by separation
SELECT m.rank, ABS(scisql_angSep(o.ra, o.decl, g.ra, g.decl) - m.distance) < 1e-9 AS near FROM ObjectStar m JOIN Object o ON o.objectId = m.objectId JOIN gaia.Star g ON g.source_id = m.source_id;

-- a join in order
-- ordered
SELECT o.objectId, s.sourceId, s.psfFlux FROM Object o JOIN Source s ON o.objectId = s.objectId ORDER BY s.psfFlux DESC, s.sourceId LIMIT 10;

-- STRAIGHT_JOIN
SELECT COUNT(*) FROM Object o STRAIGHT_JOIN Source s ON o.objectId = s.objectId WHERE o.variable = 1;

-- a difference between a director and its child
SELECT AVG(s.ra - o.ra) < 1 AS small, MAX(ABS(s.decl - o.decl)) AS most FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE ABS(o.decl) < 80;

-- directors that do not share a key
SELECT COUNT(*) FROM Object o JOIN hip.Star h ON h.hip = o.detections;

-- children joined on something else
SELECT COUNT(*) FROM Source s JOIN ForcedSource f ON s.filterId = f.filterId WHERE s.sourceId < 5000000030 AND f.forcedId < 5000000400;

-- a join in parentheses first
SELECT COUNT(*), AVG(f.wavelength) FROM (Object o JOIN Source s ON o.objectId = s.objectId) JOIN Filter f ON f.filterId = s.filterId;

-- a join in parentheses second
SELECT COUNT(*) FROM Object o JOIN (Source s JOIN Filter f ON f.filterId = s.filterId) ON o.objectId = s.objectId;

-- tables in parentheses
SELECT COUNT(*) FROM (Object o, Filter f) WHERE f.filterId = o.detections;

-- a left join with a join in parentheses
SELECT COUNT(*), COUNT(s.sourceId), COUNT(f.forcedId) FROM Object o LEFT JOIN (Source s JOIN ForcedSource f ON f.objectId = s.objectId AND s.filterId = f.filterId) ON o.objectId = s.objectId AND s.psfFlux > 500;

-- a left join with a match and its second director
SELECT COUNT(*), COUNT(g.mag), COUNT(m.rank) FROM Object o LEFT JOIN (ObjectStar m JOIN gaia.Star g ON m.source_id = g.source_id) ON o.objectId = m.objectId AND g.mag < 12;

-- a replicated table before a left join in parentheses
SELECT f.name, COUNT(o.objectId) FROM Filter f LEFT JOIN (Source s JOIN Object o ON o.objectId = s.objectId) ON f.filterId = s.filterId AND o.decl > 85 GROUP BY f.name;

-- a left join in parentheses inside of a join
SELECT COUNT(*) FROM Object a JOIN (Object b LEFT JOIN Source s ON s.objectId = b.objectId) ON a.objectId = b.objectId;

-- USING over a join in parentheses
SELECT COUNT(*) FROM (SELECT objectId FROM Object WHERE decl > 80) t JOIN (Source s NATURAL JOIN Filter f) USING (objectId);

-- RIGHT JOIN with USING shows the kept table's column
SELECT s.filterId, f.filterId, filterId, name FROM (SELECT filterId, psfFlux FROM Source WHERE filterId IN (1, 2) AND psfFlux > 10000) s RIGHT JOIN Filter f USING (filterId) WHERE filterId <> 2

-- all columns of a RIGHT JOIN with USING
SELECT * FROM (SELECT filterId, psfFlux FROM Source WHERE filterId IN (1, 2) AND psfFlux > 10000) s RIGHT JOIN Filter USING (filterId)

-- all columns of a NATURAL RIGHT JOIN
SELECT * FROM (SELECT psfFlux, filterId FROM Source WHERE filterId IN (1, 2) AND psfFlux > 10000) s NATURAL RIGHT JOIN Filter

-- columns of USING come in the first table's order
SELECT * FROM (SELECT sourceId, objectId, decl FROM Source WHERE decl > 89) s JOIN (SELECT decl, objectId FROM Source) t USING (decl, objectId)
