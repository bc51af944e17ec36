-- use: synth

-- The filters on declination do not change any answer: they spare MariaDB the comparison of all rows with all.

-- pairs of objects in a field
SELECT a.objectId, b.objectId, scisql_angSep(a.ra, a.decl, b.ra, b.decl) AS d FROM Object a, Object b WHERE a.decl BETWEEN -30 AND -29.5 AND b.decl BETWEEN -30.1 AND -29.4 AND b.ra BETWEEN 265 AND 270 AND a.ra BETWEEN 265 AND 270 AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01 AND a.objectId <> b.objectId;

-- pairs counted across right ascension 0
SELECT COUNT(*) FROM Object a, Object b WHERE ABS(a.decl) < 0.3 AND ABS(b.decl) < 0.4 AND (a.ra > 359 OR a.ra < 1) AND (b.ra > 359 OR b.ra < 1) AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.02 AND a.objectId < b.objectId;

-- pairs at the north pole
SELECT COUNT(*), MAX(scisql_angSep(a.ra, a.decl, b.ra, b.decl)) AS most FROM Object a, Object b WHERE a.decl > 89.4 AND b.decl > 89.3 AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.04 AND a.objectId <> b.objectId;

-- pairs at the south pole
SELECT a.objectId, b.objectId FROM Object a, Object b WHERE a.decl < -89.6 AND b.decl < -89.6 AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.03 AND a.objectId < b.objectId;

-- pairs at corners of chunks
SELECT a.objectId, b.objectId, a.chunkId, b.chunkId FROM Object a, Object b WHERE a.decl BETWEEN 9.9 AND 10.1 AND b.decl BETWEEN 9.9 AND 10.1 AND (a.ra > 359.9 OR a.ra < 0.1) AND (b.ra > 359.9 OR b.ra < 0.1) AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.005 AND a.objectId <> b.objectId;

-- the comparison turned around
SELECT COUNT(*) FROM Object a, Object b WHERE a.decl > 89.7 AND b.decl > 89.6 AND 0.03 >= scisql_angSep(a.ra, a.decl, b.ra, b.decl);

-- JOIN … ON the separation
SELECT COUNT(*) FROM Object a JOIN Object b ON scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.02 WHERE a.decl > 89.7 AND b.decl > 89.6 AND a.objectId <> b.objectId;

-- pairs with more conditions
SELECT a.objectId, b.objectId, a.rMag - b.rMag AS dm FROM Object a, Object b WHERE a.decl BETWEEN -30 AND -29.5 AND b.decl BETWEEN -30.1 AND -29.4 AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01 AND a.objectId <> b.objectId AND a.class = 'star' AND ABS(a.rMag - b.rMag) < 1;

-- neighbours counted for each object
SELECT a.objectId, COUNT(*) AS n FROM Object a, Object b WHERE a.decl > 89.6 AND b.decl > 89.5 AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.04 AND a.objectId <> b.objectId GROUP BY a.objectId;

-- pairs in a region by the restrictor
SELECT COUNT(*) FROM Object a, Object b WHERE qserv_areaspec_circle(267.5, -29.5, 0.3) AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01 AND a.objectId <> b.objectId;
-- mariadb
SELECT COUNT(*) FROM (SELECT * FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267.5, -29.5, 0.3) = 1) a JOIN (SELECT * FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267.5, -29.5, 0.3) = 1) b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.01 AND a.objectId <> b.objectId;

-- an object crossed with Gaia
SELECT o.objectId, g.source_id, scisql_angSep(o.ra, o.decl, g.ra, g.decl) AS d FROM Object o, gaia.Star g WHERE o.decl > 89 AND g.decl > 88.9 AND scisql_angSep(o.ra, o.decl, g.ra, g.decl) < 0.05;

-- Gaia crossed with Hipparcos at the pole
SELECT g.source_id, h.hip, g.mag, h.hpmag FROM gaia.Star g JOIN hip.Star h ON scisql_angSep(g.ra, g.decl, h.ra, h.decl) < 0.001 WHERE g.decl > 88 AND h.decl > 87.9;

-- Hipparcos crossed with Gaia, counted by magnitude
SELECT FLOOR(h.hpmag) AS m, COUNT(*) AS n FROM hip.Star h JOIN gaia.Star g ON scisql_angSep(h.ra, h.decl, g.ra, g.decl) < 0.0005 WHERE h.decl > 87 AND g.decl > 86.9 GROUP BY m;

-- the nearest first
-- ordered
SELECT a.objectId, b.objectId FROM Object a, Object b WHERE a.decl > 89.6 AND b.decl > 89.5 AND scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.03 AND a.objectId < b.objectId ORDER BY scisql_angSep(a.ra, a.decl, b.ra, b.decl), a.objectId LIMIT 10;

-- a pair and the children of the first
SELECT COUNT(*) FROM Object a JOIN Object b ON scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.03 JOIN Source s ON s.objectId = a.objectId WHERE a.decl > 89.6 AND b.decl > 89.5 AND a.objectId <> b.objectId;
