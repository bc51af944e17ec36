-- use: synth

-- a comment in each style
SELECT /* block comment */ objectId /* another */ FROM Object # hash comment
WHERE decl > 89.9;

-- odd blanks and backquotes
SELECT   `objectId`  ,`ra`,
	`decl`
FROM	`Object`
WHERE	`decl`>89.8   -- a comment at the end;

-- columns in any case
SELECT OBJECTID, RA, DECL FROM Object WHERE DECL > 89.9;

-- names in backquotes, an alias with a blank
SELECT `o`.`ra` AS `c 1` FROM `synth`.`Object` AS `o` WHERE `o`.`decl` > 89.9 ORDER BY `c 1`;

-- database and table before each column
SELECT synth.Object.objectId FROM synth.Object WHERE synth.Object.decl > 89.9;

-- lower case throughout
select objectId as id, ra, decl from synth.Object as o where o.decl > 89.5 order by id limit 5;

-- a count with its own name
select count(*) as OBJ_COUNT from Object where ra between 266 and 267 and decl between -30 and -29;

-- operators of programmers
SELECT objectId FROM Object WHERE decl > 89.8 && (ra < 90 || ra > 270);

-- an exclamation mark
SELECT objectId FROM Object WHERE !(decl < 89.8);

-- arithmetic on aggregates
SELECT MAX(gFlux) - MIN(gFlux) AS span, (MAX(gFlux) + MIN(gFlux)) / 2 AS mid FROM Object WHERE class = 'star';

-- the fullest chunks by ordinals
SELECT chunkId, count(*) FROM Object GROUP BY chunkId ORDER BY 2 DESC, 1 LIMIT 10;

-- variable objects
SELECT objectId, COUNT(*) n, AVG(psfFlux) mean, STDDEV(psfFlux) sd FROM Source GROUP BY objectId HAVING sd / mean > 2 AND n >= 10;

-- spreads in one band
SELECT objectId, AVG(psfFlux) AS f, STD(psfFlux), VARIANCE(psfFlux), STDDEV_SAMP(psfFlux), VAR_SAMP(psfFlux) FROM Source WHERE filterId = 2 GROUP BY objectId HAVING COUNT(*) > 2;

-- observed at least thrice
SELECT o.objectId, o.ra, o.decl, COUNT(s.sourceId) AS nsrc, MIN(s.midPoint) AS t0, MAX(s.midPoint) AS t1 FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE o.decl > 89 GROUP BY o.objectId, o.ra, o.decl HAVING nsrc > 3 ORDER BY nsrc DESC, o.objectId;

-- a light curve
SELECT s.sourceId, s.midPoint, s.psfFlux, -2.5*LOG10(s.psfFlux)+31.4 AS mag FROM Source s WHERE s.objectId IN (433327840428102, 433327840430132) ORDER BY s.midPoint;

-- a histogram of magnitudes
SELECT FLOOR(scisql_nanojanskyToAbMag(rFlux)*2)/2 AS magbin, COUNT(*) AS n FROM Object WHERE rFlux > 0 GROUP BY magbin ORDER BY magbin;

-- a map of the sky
SELECT FLOOR(ra/10)*10 AS rabin, FLOOR(decl/10)*10 AS decbin, COUNT(*) AS n FROM Object GROUP BY rabin, decbin ORDER BY n DESC, rabin, decbin LIMIT 20;

-- stars and galaxies
SELECT CASE WHEN extendedness = 0 THEN 'star' WHEN extendedness = 1 THEN 'galaxy' ELSE 'unknown' END AS morph, COUNT(*) AS n, AVG(rMag) FROM Object GROUP BY morph;

-- bins by CASE
SELECT CASE WHEN rMag < 18 THEN 'bright' WHEN rMag < 22 THEN 'medium' ELSE 'faint' END AS k, COUNT(*), MIN(rMag), MAX(rMag) FROM Object GROUP BY k ORDER BY k;

-- sums of conditions
SELECT SUM(CASE WHEN rMag < 20 THEN 1 ELSE 0 END) AS bright, SUM(rMag >= 20) AS faint, SUM(rMag IS NULL) AS nulls, COUNT(*) FROM Object;

-- fluxes of several bands side by side
SELECT o.objectId, MAX(CASE WHEN s.filterId = 0 THEN s.psfFlux END) AS u, MAX(CASE WHEN s.filterId = 1 THEN s.psfFlux END) AS g, MAX(IF(s.filterId = 2, s.psfFlux, NULL)) AS r FROM Object o JOIN Source s ON s.objectId = o.objectId WHERE o.decl > 88 GROUP BY o.objectId HAVING u IS NOT NULL AND g IS NOT NULL AND r IS NOT NULL;

-- a weighted mean
SELECT SUM(psfFlux/(psfFluxErr*psfFluxErr))/SUM(1/(psfFluxErr*psfFluxErr)) AS wmean, objectId FROM Source WHERE objectId BETWEEN 433327840428032 AND 433327840428432 GROUP BY objectId;

-- chi square
SELECT SUM(POW((psfFlux - 500)/psfFluxErr, 2)) AS chi2, COUNT(*) AS n FROM Source WHERE objectId = 433327840428102;

-- the span of each light curve
SELECT s.objectId, MAX(s.midPoint) - MIN(s.midPoint) AS span FROM Source s GROUP BY s.objectId HAVING span > 950 ORDER BY span DESC, s.objectId;

-- the amplitude in a band
SELECT s.objectId, (MAX(s.psfFlux) - MIN(s.psfFlux)) / AVG(s.psfFlux) AS amp FROM Source AS s WHERE s.filterId = 1 GROUP BY s.objectId HAVING COUNT(*) >= 3 ORDER BY amp DESC, s.objectId LIMIT 10;

-- two bands within a day
SELECT a.objectId, a.psfFlux AS f1, b.psfFlux AS f2 FROM Source a JOIN Source b ON a.objectId = b.objectId AND a.filterId = 1 AND b.filterId = 2 WHERE ABS(a.midPoint - b.midPoint) < 1;

-- the last detection by a subquery
SELECT o.objectId, o.rMag, s.psfFlux FROM Object o JOIN Source s ON s.objectId = o.objectId WHERE s.midPoint = (SELECT MAX(s2.midPoint) FROM Source s2 WHERE s2.objectId = o.objectId) AND o.decl > 85;

-- the last detection by groups
SELECT o.objectId, s.psfFlux FROM Object o JOIN Source s ON s.objectId = o.objectId JOIN (SELECT objectId, MAX(midPoint) AS t FROM Source GROUP BY objectId) l ON l.objectId = s.objectId AND l.t = s.midPoint WHERE o.decl > 85;

-- statistics of two children
SELECT o.objectId, st.n, st.mean, fs.n AS fn FROM Object o LEFT JOIN (SELECT objectId, COUNT(*) n, AVG(psfFlux) mean FROM Source GROUP BY objectId) st ON st.objectId = o.objectId LEFT JOIN (SELECT objectId, COUNT(*) n FROM ForcedSource GROUP BY objectId) fs ON fs.objectId = o.objectId WHERE o.decl > 88.5;

-- how many objects have how many sources
SELECT n, COUNT(*) AS objects FROM (SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId) x GROUP BY n ORDER BY n;

-- bands of a source as one text
SELECT GROUP_CONCAT(DISTINCT f.name ORDER BY f.filterId SEPARATOR '') AS bands, s.objectId FROM Source s JOIN Filter f ON f.filterId = s.filterId WHERE s.objectId IN (433327840428102, 433327840430132) GROUP BY s.objectId;

-- nights and bands
SELECT o.objectId, COUNT(DISTINCT s.filterId) nf, COUNT(DISTINCT FLOOR(s.midPoint)) nights FROM Object o JOIN Source s ON o.objectId=s.objectId GROUP BY o.objectId HAVING nf >= 6 AND nights > 5;

-- the share of each value
SELECT detections, COUNT(*) AS n, COUNT(*) * 100.0 / (SELECT COUNT(*) FROM Object) AS pct FROM Object GROUP BY detections ORDER BY n DESC, detections LIMIT 5;

-- nights of a survey
SELECT DATE_ADD('1858-11-17', INTERVAL FLOOR(midPoint) DAY) AS d, COUNT(*) FROM Source WHERE midPoint < 60030 GROUP BY d ORDER BY d;

-- distances of near stars
SELECT hip, plx, 1000 / plx AS pc, hpmag + 5 * LOG10(plx) - 10 AS absmag FROM hip.Star WHERE plx > 20 ORDER BY plx DESC LIMIT 10;

-- a colour and magnitude diagram
SELECT FLOOR(b_v * 10) / 10 AS c, COUNT(*), AVG(hpmag + 5 + 5 * LOG10(plx / 1000)) FROM hip.Star WHERE plx > 10 GROUP BY c ORDER BY c;

-- colours of FLOAT columns
SELECT ROUND(bp - rp, 1) AS color, COUNT(*) FROM gaia.Star GROUP BY color HAVING COUNT(*) > 500 ORDER BY color;

-- signal to noise
SELECT COUNT(*) FROM Object WHERE rFluxErr/rFlux < 0.05 AND rFlux IS NOT NULL AND extendedness = 0.0;

-- an area in capitals
SELECT COUNT(*) FROM Object WHERE QSERV_AREASPEC_BOX(266, -31, 268, -29) AND rMag < 20;
-- mariadb
SELECT COUNT(*) FROM Object WHERE ra BETWEEN 266 AND 268 AND decl BETWEEN -31 AND -29 AND rMag < 20;

-- an area and a key in a subquery
SELECT objectId FROM Object WHERE qserv_areaspec_box(266, -31, 268, -29) AND objectId IN (SELECT objectId FROM Source WHERE psfFlux > 8000);
-- mariadb
SELECT objectId FROM Object WHERE ra BETWEEN 266 AND 268 AND decl BETWEEN -31 AND -29 AND objectId IN (SELECT objectId FROM Source WHERE psfFlux > 8000);

-- an area in parentheses
SELECT COUNT(*) FROM Object WHERE (qserv_areaspec_box(266, -31, 268, -29)) AND rMag < 20;
-- mariadb
SELECT COUNT(*) FROM Object WHERE ra BETWEEN 266 AND 268 AND decl BETWEEN -31 AND -29 AND rMag < 20;

-- numbers among texts, and texts among numbers
SELECT SUM(name IN (10, 9)), SUM(name IN ('10', 9)), SUM(name BETWEEN 5 AND 15), SUM(detections IN ('3', '4abc', 5.5)), SUM(detections BETWEEN 2.5 AND '10.7x') FROM Object;

-- days among texts and numbers
SELECT SUM(lastNight = 20260301), SUM(lastNight IN ('2026-06-01', '2026-6-2', 20260603)), SUM(lastNight BETWEEN '2026-03-01' AND '2026-06-01 12:00:00'), SUM(exposure > 230000), SUM(exposure < '13:00') FROM Object;

-- above the mean of its own light curve, twice
SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux > (SELECT AVG(psfFlux) * 2 FROM Source t WHERE t.objectId = o.objectId));

-- objects with twice the mean number of sources
-- ordered
SELECT objectId, n FROM (SELECT objectId, COUNT(*) n FROM Source GROUP BY objectId) t WHERE n > (SELECT AVG(m) * 2 FROM (SELECT COUNT(*) m FROM Source GROUP BY objectId) u) ORDER BY n DESC, objectId LIMIT 10;

-- an alias that hides another column
-- ordered
SELECT objectId rMag, rMag x FROM Object ORDER BY rMag LIMIT 5;

-- a condition on the optional side in ON, another on what is missing
SELECT COUNT(*) FROM Object o LEFT JOIN Source s ON o.objectId = s.objectId AND s.filterId = 2 LEFT JOIN Filter f ON f.filterId = s.filterId WHERE f.name IS NULL;

-- a window over groups
SELECT detections, COUNT(*), SUM(COUNT(*)) OVER () FROM Object GROUP BY detections;
