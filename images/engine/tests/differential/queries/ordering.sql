-- use: synth

-- by the key
-- ordered
SELECT objectId, ra FROM Object ORDER BY objectId LIMIT 10;

-- downwards
-- ordered
SELECT objectId, decl FROM Object ORDER BY decl DESC, objectId LIMIT 10;

-- by two columns, one downwards
-- ordered
SELECT detections, objectId FROM Object ORDER BY detections DESC, objectId ASC LIMIT 20;

-- by a column that is not shown
-- ordered
SELECT objectId FROM Object ORDER BY decl, objectId LIMIT 10;

-- by an expression
-- ordered
SELECT objectId, ra, decl FROM Object ORDER BY ABS(decl), objectId LIMIT 10;

-- by an alias
-- ordered
SELECT objectId, rMag * 2 AS twice FROM Object ORDER BY twice DESC, objectId LIMIT 10;

-- by a position
-- ordered
SELECT detections, objectId FROM Object ORDER BY 1, 2 DESC LIMIT 15;

-- by an expression of an alias's column
-- ordered
SELECT objectId, iFlux AS f FROM Object ORDER BY -f, objectId LIMIT 7;

-- limit and offset
-- ordered
SELECT objectId FROM Object ORDER BY objectId LIMIT 5 OFFSET 100;

-- limit with a comma
-- ordered
SELECT objectId FROM Object ORDER BY objectId LIMIT 100, 5;

-- an offset beyond the end
-- ordered
SELECT objectId FROM Object ORDER BY objectId LIMIT 5 OFFSET 1000000;

-- a limit of nothing
SELECT objectId, name FROM Object LIMIT 0;

-- a limit alone gives that many rows
SELECT COUNT(*) FROM (SELECT objectId FROM Object LIMIT 17) l;

-- strings without case
-- ordered
SELECT UPPER(class) AS c, objectId FROM Object ORDER BY class, objectId LIMIT 50;

-- strings downwards
-- ordered
SELECT name IS NULL AS missing, objectId FROM Object ORDER BY name DESC, objectId LIMIT 50;

-- all rows in order
-- ordered
SELECT objectId, decl FROM Object ORDER BY objectId;

-- decimals and NULL
-- ordered
SELECT objectId, score FROM Object ORDER BY score, objectId LIMIT 30;

-- dates
-- ordered
SELECT objectId, firstSeen FROM Object ORDER BY firstSeen DESC, objectId LIMIT 10;

-- unsigned integers
-- ordered
SELECT hits, objectId FROM Object ORDER BY hits DESC, objectId LIMIT 10;

-- by a CASE
-- ordered
SELECT objectId, class FROM Object WHERE chunkId < 40 ORDER BY CASE class WHEN 'qso' THEN 1 WHEN 'gal' THEN 2 ELSE 3 END, objectId;

-- by a function
-- ordered
SELECT objectId FROM Object ORDER BY scisql_angSep(ra, decl, 0, 90), objectId LIMIT 8;

-- DISTINCT in order
-- ordered
SELECT DISTINCT detections FROM Object ORDER BY detections DESC LIMIT 6;

-- the order of a child
-- ordered
SELECT sourceId, midPoint FROM Source ORDER BY midPoint DESC, sourceId LIMIT 12;

-- filtered, ordered, limited
-- ordered
SELECT objectId, rMag FROM Object WHERE rMag < 19 AND class = 'gal' ORDER BY rMag, objectId LIMIT 9;

-- by a constant expression and the key
-- ordered
SELECT objectId FROM Object ORDER BY 1 + 1, objectId LIMIT 3;
