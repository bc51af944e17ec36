-- use: synth

-- how many rows there are
SELECT COUNT(*) FROM Object;

-- rows by a range
SELECT objectId, ra, decl FROM Object WHERE decl BETWEEN 88 AND 89;

-- NOT BETWEEN leaves out NULL
SELECT COUNT(*) FROM Object WHERE rMag NOT BETWEEN 18 AND 24;

-- by the key
SELECT objectId, ra, decl, gFlux, name FROM Object WHERE objectId = 433327840428102;

-- by a key that no row has
SELECT objectId FROM Object WHERE objectId = 1;

-- by a key written as a string
SELECT objectId, detections FROM Object WHERE objectId = '433327840428039';

-- by several keys
SELECT objectId, ra FROM Object WHERE objectId IN (433327840428032, 433327840428039, 433327840428046, 12, 433327840428039);

-- by a range of keys
SELECT objectId, decl FROM Object WHERE objectId BETWEEN 433327840428032 AND 433327840428732;

-- by a key and more
SELECT objectId FROM Object WHERE objectId = 433327840428102 AND decl > 100;

-- by either of two keys
SELECT objectId, rFlux FROM Object WHERE objectId = 433327840428102 OR objectId = 433327840428109;

-- everything of one row
SELECT * FROM Object WHERE objectId = 433327840430132;

-- IN with a NULL in the list
SELECT COUNT(*) FROM Object WHERE parity IN (1, 2, NULL);

-- NOT IN with a NULL in the list is never true
SELECT COUNT(*) FROM Object WHERE parity NOT IN (1, 2, NULL);

-- IN over strings, without case
SELECT COUNT(*) FROM Object WHERE class IN ('STAR', 'qso');

-- AND binds closer than OR
SELECT COUNT(*) FROM Object WHERE variable = 1 OR detections > 20 AND flags < 100;

-- XOR
SELECT COUNT(*) FROM Object WHERE variable XOR detections > 20;

-- NOT over an expression
SELECT COUNT(*) FROM Object WHERE NOT (rMag > 20 AND extendedness = 1);

-- the bang is NOT
SELECT COUNT(*) FROM Object WHERE !variable;

-- a bare column is a condition
SELECT COUNT(*) FROM Object WHERE variable;

-- a double as a condition
SELECT COUNT(*) FROM Object WHERE gFlux;

-- a string as a condition is its number
SELECT COUNT(*) FROM Object WHERE name;

-- IS TRUE, IS FALSE, IS UNKNOWN
SELECT COUNT(*) FROM Object WHERE (rMag > 21) IS TRUE OR (gFlux > 100) IS UNKNOWN OR (rFlux < 3) IS FALSE;

-- IS NOT TRUE
SELECT COUNT(*) FROM Object WHERE (rMag > 21) IS NOT TRUE;

-- <=> finds NULL
SELECT COUNT(*) FROM Object WHERE gFlux <=> NULL;

-- <=> of two columns
SELECT COUNT(*) FROM Object WHERE parity <=> extendedness;

-- <> and != are the same
SELECT COUNT(*) FROM Object WHERE class <> 'star' AND detections != 3;

-- && and || are AND and OR
SELECT COUNT(*) FROM Object WHERE detections > 5 && (flags < 200 || flags > 900);

-- bits of a flag
SELECT COUNT(*) FROM Object WHERE flags & 4 AND NOT flags & 16;

-- bits cleared and set
SELECT objectId, flags | 1 AS b_or, flags ^ 5 AS b_xor, flags & 255 AS b_and FROM Object WHERE detections = 7;

-- shifts
SELECT objectId, flags << 3 AS l, flags >> 2 AS r FROM Object WHERE detections = 8;

-- inverted bits are unsigned
SELECT objectId, ~flags AS inverted FROM Object WHERE detections = 9;

-- by chunk
SELECT COUNT(*), MIN(decl), MAX(decl) FROM Object WHERE chunkId = 239;

-- by chunk and sub-chunk
SELECT objectId, chunkId, subChunkId FROM Object WHERE chunkId IN (0, 1, 2, 612) AND subChunkId > 5;

-- comparison of different types
SELECT COUNT(*) FROM Object WHERE detections = '7' AND flags > '3.5';

-- an unsigned column with a signed one
SELECT COUNT(*) FROM Object WHERE hits > parity;

-- the ends of unsigned
SELECT COUNT(*) FROM Object WHERE hits > 9223372036854775807;

-- a BIT column as a number
SELECT objectId, quality + 0 AS q FROM Object WHERE quality = 5;

-- a BOOL column
SELECT variable, COUNT(*) FROM Object WHERE variable = TRUE GROUP BY variable;

-- a decimal compared with a decimal
SELECT objectId, score FROM Object WHERE score > 999.5;

-- constant conditions
SELECT COUNT(*) FROM Object WHERE 1 = 1 AND 'a' = 'A';

-- never true
SELECT objectId, name FROM Object WHERE 1 = 0;

-- names without regard to case
SELECT OBJECTID, Ra, DECL FROM Object WHERE ObjectID = 433327840428102;

-- a column and a table both qualified
SELECT synth.Object.objectId, Object.ra FROM synth.Object WHERE synth.Object.objectId = 433327840428102;

-- a column with a keyword's name
SELECT `class`, `name` FROM `Object` WHERE `objectId` = 433327840428102;

-- DISTINCT of one column
SELECT DISTINCT detections FROM Object;

-- DISTINCT of several with NULL
SELECT DISTINCT variable, extendedness FROM Object;

-- the same column twice
SELECT detections, detections, detections AS again FROM Object WHERE objectId = 433327840428102;

-- the star with more columns
SELECT *, filterId + 1 AS next FROM Filter;

-- the star of an alias
SELECT f.* FROM Filter f WHERE f.wavelength > 600;

-- rows of values in order
SELECT SUM((detections, variable) > (3, 0)), SUM((detections, variable) <= (3, 0)), SUM((rMag, variable) >= (20, 1)), SUM((detections, variable, parity) < (30, 1, 0)) FROM Object;

-- rows of values with NULLs
SELECT SUM((rMag, parity) <=> (NULL, NULL)), SUM((rMag, parity) < (NULL, 1)), SUM((parity, rMag) > (0, NULL)), SUM((detections, rMag) <> (3, NULL)) FROM Object;
