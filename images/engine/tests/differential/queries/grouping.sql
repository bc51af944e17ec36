-- use: synth

-- by a column
SELECT detections, COUNT(*) FROM Object GROUP BY detections;

-- by a column that is not shown
SELECT COUNT(*) FROM Object GROUP BY detections;

-- by the chunk
SELECT chunkId, COUNT(*) AS n, AVG(ra), AVG(decl) FROM Object GROUP BY chunkId;

-- by two columns
SELECT variable, extendedness, COUNT(*) AS n, SUM(iFlux) AS f FROM Object GROUP BY variable, extendedness;

-- by an expression
SELECT FLOOR(decl / 10) AS band, COUNT(*) AS n FROM Object GROUP BY FLOOR(decl / 10);

-- by an alias
SELECT FLOOR(ra / 30) AS hour, COUNT(*) AS n FROM Object GROUP BY hour;

-- by a position
SELECT detections, variable, COUNT(*) FROM Object GROUP BY 1, 2;

-- by a CASE
SELECT CASE WHEN rMag < 20 THEN 'bright' WHEN rMag < 22 THEN 'middle' ELSE 'faint' END AS kind, COUNT(*) AS n FROM Object GROUP BY kind;

-- strings by their folded value
SELECT UPPER(class) AS c, COUNT(*) AS n FROM Object GROUP BY UPPER(class);

-- HAVING on an aggregate
SELECT chunkId, COUNT(*) AS n FROM Object GROUP BY chunkId HAVING COUNT(*) > 20;

-- HAVING on an alias
SELECT chunkId, COUNT(*) AS n FROM Object GROUP BY chunkId HAVING n > 20 AND n < 200;

-- HAVING on an aggregate that is not shown
SELECT detections FROM Object GROUP BY detections HAVING AVG(rMag) > 21;

-- HAVING without groups
SELECT COUNT(*) AS n FROM Object HAVING n > 1;

-- HAVING that nothing passes
SELECT COUNT(*) AS n FROM Object HAVING n < 1;

-- HAVING on a grouped column
SELECT detections, COUNT(*) FROM Object GROUP BY detections HAVING detections BETWEEN 5 AND 8;

-- HAVING as a filter of rows
SELECT objectId, decl AS d FROM Object HAVING d > 89.9;

-- groups in order of an aggregate
-- ordered
SELECT detections, COUNT(*) AS n FROM Object GROUP BY detections ORDER BY COUNT(*) DESC, detections;

-- groups in order of an alias
-- ordered
SELECT detections, SUM(iFlux) AS flux FROM Object GROUP BY detections ORDER BY flux;

-- groups with limit and offset
-- ordered
SELECT chunkId, COUNT(*) AS n FROM Object GROUP BY chunkId ORDER BY n DESC, chunkId LIMIT 5 OFFSET 3;

-- groups in order of an expression of aggregates
-- ordered
SELECT detections FROM Object GROUP BY detections ORDER BY MAX(decl) - MIN(decl), detections;

-- DISTINCT over groups
SELECT DISTINCT COUNT(*) FROM Object GROUP BY chunkId;

-- groups WITH ROLLUP
SELECT variable, COUNT(*) AS n FROM Object GROUP BY variable WITH ROLLUP;

-- groups of a child by its director's key
SELECT objectId, COUNT(*) AS n, AVG(psfFlux) AS f FROM Source GROUP BY objectId HAVING n > 25;

-- groups of groups
SELECT n, COUNT(*) AS objects FROM (SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId) t GROUP BY n;

-- an expression over the group's column and an aggregate
SELECT detections * 10 + COUNT(*) AS x FROM Object GROUP BY detections;

-- by a date's part
SELECT YEAR(firstSeen) AS y, MONTH(firstSeen) AS m, COUNT(*) AS n FROM Object GROUP BY y, m;

-- by a bit column
SELECT quality + 0 AS q, COUNT(*) FROM Object GROUP BY quality;

-- distinct rounded doubles
-- ordered
SELECT DISTINCT ROUND(decl / 10) AS z, rMag > 20 AS faint FROM Object ORDER BY z DESC, faint LIMIT 9;

-- distinct computed values of all kinds
SELECT DISTINCT decl * 2, UPPER(class), score / 3, variable > 0, rMag FROM Object WHERE decl > 85;

-- HAVING on a spread beside columns called n, m and s
SELECT objectId, COUNT(*) AS n, AVG(psfFlux) AS m, STDDEV(psfFlux) AS s FROM Source GROUP BY objectId HAVING s > 10000 AND n >= 10 AND m > 0;

-- bins by INTERVAL
SELECT INTERVAL(rMag, 18, 20, 22, 24) AS bin, COUNT(*) FROM Object GROUP BY bin;

-- HAVING means the alias before a column of the table
SELECT ra AS decl FROM Object WHERE chunkId = 288 HAVING decl > 0

-- HAVING means the alias of an aggregate before a column
SELECT flags, MAX(ra) AS detections, COUNT(*) AS n FROM Object GROUP BY flags HAVING detections > 359

-- HAVING means the column that is grouped by before an alias
SELECT flags + 500 AS flags, COUNT(*) AS n FROM Object GROUP BY flags HAVING flags > 1000
