-- use: synth

-- the slash never divides integers to an integer
SELECT objectId, detections / 4 AS q, flags / detections AS r FROM Object WHERE chunkId = 0;

-- DIV, MOD and %
SELECT objectId, flags DIV 7 AS d, flags MOD 7 AS m, parity % 5 AS p, MOD(parity, 5) AS q FROM Object WHERE chunkId < 3;

-- DIV of doubles and negatives
SELECT objectId, rMag DIV 2 AS a, parity DIV 3 AS b, -7 DIV 2 AS c FROM Object WHERE chunkId < 3;

-- % of doubles
SELECT objectId, ra % 7.5 AS a, decl % 3 AS b FROM Object WHERE chunkId < 3;

-- division by zero is NULL
SELECT objectId, ra / 0 AS a, flags DIV 0 AS b, flags % 0 AS c, gFlux / (detections - detections) AS d FROM Object WHERE chunkId = 0;

-- integers, decimals and doubles mixed
SELECT objectId, detections + 0.5 AS a, score * 2 AS b, score + ra AS c, detections * 1.5e0 AS d, score / 3 AS e FROM Object WHERE chunkId = 0;

-- decimals multiplied and subtracted
SELECT objectId, score * score AS a, score - 0.00001 AS b, -score AS c FROM Object WHERE chunkId = 0;

-- FLOAT columns are reckoned with as doubles
SELECT objectId, rMag + 1 AS a, rMag * 2 AS b, rMag / 3 AS c FROM Object WHERE chunkId = 0;

-- FLOAT columns as they are shown
SELECT objectId, rMag FROM Object WHERE decl > 89.5;

-- a FLOAT compared with a decimal constant
SELECT COUNT(*) FROM Object WHERE rMag = 21.1;

-- literal arithmetic
SELECT 1 + 1, 7 / 2, 7 DIV 2, 7 % 3, 2.50 * 2, 1e3 / 7, 1 / 3, 10 / 5, 0.1 + 0.2, 5 - 7.25;

-- negative literals and double negation
SELECT -5 % 3, -(-5), - 5 + 3, 5 - -5, -7 / 2;

-- order of operations
SELECT 2 + 3 * 4, (2 + 3) * 4, 2 * 3 % 4, 1 | 2 & 3, 1 << 2 + 1, NOT 0 + 1, 10 - 4 - 3;

-- truth as a number
SELECT objectId, (detections > 10) + (flags > 500) AS n, detections > 10 AS t FROM Object WHERE chunkId < 3;

-- comparisons as columns
SELECT 1 = 1, 1 <> 1, NULL = NULL, NULL <=> NULL, 2 > 1, 'a' < 'b', 1 BETWEEN 0 AND 2, 3 IN (1, 2);

-- absolute values and signs
SELECT objectId, ABS(parity) AS a, SIGN(parity) AS b, ABS(decl) AS c, SIGN(rFlux) AS d, ABS(score) AS e FROM Object WHERE chunkId < 3;

-- rounding of doubles
SELECT objectId, ROUND(ra) AS a, ROUND(ra, 2) AS b, ROUND(ra, -1) AS c, FLOOR(decl) AS d, CEIL(decl) AS e, TRUNCATE(decl, 1) AS f FROM Object WHERE chunkId < 3;

-- rounding of decimals is away from zero
SELECT ROUND(2.5), ROUND(-2.5), ROUND(1.005, 2), ROUND(125, -1), TRUNCATE(-1.999, 1), FLOOR(-1.5), CEILING(-1.5);

-- rounding of a decimal column
SELECT objectId, ROUND(score, 1) AS a, ROUND(score) AS b, TRUNCATE(score, 2) AS c, FLOOR(score) AS d FROM Object WHERE chunkId < 3;

-- powers and roots
SELECT objectId, POW(detections, 2) AS a, SQRT(iFlux) AS b, SQRT(parity) AS c, EXP(-detections / 10) AS d FROM Object WHERE chunkId < 3;

-- logarithms, NULL where there is none
SELECT objectId, LN(gFlux) AS a, LOG10(rFlux) AS b, LOG2(iFlux) AS c, LOG(2, iFlux) AS d, LOG(iFlux) AS e FROM Object WHERE chunkId < 3;

-- trigonometry in radians
SELECT objectId, SIN(RADIANS(ra)) AS a, COS(RADIANS(decl)) AS b, TAN(decl) AS c, DEGREES(ATAN2(decl, ra)) AS d, ATAN(ra) AS e, COT(ra) AS f FROM Object WHERE chunkId < 3;

-- arcs outside of their domain
SELECT ASIN(2), ACOS(-2), ASIN(0.5), ACOS(0.5), PI() * 1e0;

-- greatest and least
SELECT objectId, GREATEST(gFlux, rFlux, iFlux) AS a, LEAST(gFlux, rFlux, iFlux) AS b, GREATEST(detections, 10) AS c FROM Object WHERE chunkId < 3;

-- casts
SELECT objectId, CAST(ra AS SIGNED) AS a, CAST(detections AS CHAR) AS b, CAST(ra AS DECIMAL(10, 3)) AS c, CAST('12abc' AS SIGNED) AS d, CAST(parity AS DOUBLE) AS e FROM Object WHERE chunkId < 3;

-- conversion to unsigned
SELECT CAST(5 AS UNSIGNED), CAST(-1 AS UNSIGNED), CONVERT(7.5, SIGNED), CONVERT('8', DECIMAL(5, 2));

-- bit functions
SELECT objectId, BIT_COUNT(flags) AS a, flags & ~3 AS b, BIN(detections) AS c, HEX(flags) AS d FROM Object WHERE chunkId < 3;

-- colours from magnitudes
SELECT objectId, scisql_nanojanskyToAbMag(gFlux) - scisql_nanojanskyToAbMag(rFlux) AS colour FROM Object WHERE rFlux > 0 AND gFlux > 0 AND chunkId < 40;

-- a filter on a colour
SELECT COUNT(*) FROM Object WHERE gFlux > 0 AND rFlux > 0 AND scisql_nanojanskyToAbMag(gFlux) - scisql_nanojanskyToAbMag(rFlux) > 0.3;

-- magnitudes and their errors
SELECT objectId, scisql_nanojanskyToAbMag(rFlux) AS m, scisql_nanojanskyToAbMagSigma(rFlux, rFluxErr) AS s FROM Object WHERE rFlux > 0 AND chunkId < 40;

-- fluxes and magnitudes, there and back
SELECT scisql_fluxToAbMag(3.63e-20), scisql_abMagToFlux(22.5), scisql_abMagToNanojansky(22.5), scisql_fluxToAbMagSigma(1e-29, 1e-31), scisql_abMagToFluxSigma(22.5, 0.1), scisql_abMagToNanojanskySigma(22.5, 0.1);

-- large integers stay exact
SELECT 9007199254740993 + 0, 9223372036854775807 - 1, 18446744073709551615, 4611686018427387904 * 1;

-- an unsigned column in arithmetic
SELECT objectId, hits DIV 3 AS a, hits % 10 AS b, hits + 0 AS c FROM Object WHERE hits < 1000000 OR hits > 18000000000000000000;

-- CRC32
SELECT CRC32('Vega'), CRC32('');

-- doubles of as many decimals as their functions give
SELECT objectId, FLOOR(gFlux) / 7 AS a, ROUND(gFlux, 1) / detections AS b, ROUND(ra, 2) * 3 AS c, ROUND(ra, 2) + decl AS d, TRUNCATE(ra, 2) / 3 AS e, IF(detections > 2, FLOOR(gFlux) / 7, ra) AS f, COALESCE(ROUND(gFlux, 1), 1.25) AS g FROM Object WHERE detections < 20;

-- totals of such doubles
SELECT AVG(ROUND(gFlux, 0)) AS a, SUM(FLOOR(gFlux) / 7) AS b, MAX(ROUND(ra, 2)) / 3 AS c, STD(ROUND(ra, 1)) AS d, AVG(ROUND(ra, -1)) AS e, AVG(ra) AS f, CONCAT(ROUND(MAX(FLOOR(ra) / 7), 3)) AS g, AVG(CEIL(gFlux)) + 0.5 AS h FROM Object;

-- hexadecimal and binary numbers
SELECT objectId, flags & 0x10, 0x10 + 0, 0x10, 0x41 = 'A', 0x10 | 1, hits & 0xFF, b'101' + 0, b'101', 0b11 | 4 FROM Object WHERE flags = 0x10;

-- quotients keep more digits inside than they show
SELECT objectId, COALESCE(detections / 7, 0.123456789), IF(1, detections / 7, 1e0), (1 / 3) * 3, ROUND(1 / 3, 8) FROM Object WHERE decl > 89;

-- means as decimals and as doubles
SELECT AVG(score), AVG(score) * 1e0, AVG(detections) + 0e0, SUM(score) / COUNT(*), AVG(hits), SUM(hits) FROM Object;

-- FLOAT stays FLOAT in conditions
SELECT objectId, IF(1, rMag, rMag), COALESCE(rMag, 0), COALESCE(rMag, 1.5), COALESCE(rMag, parity), LEAST(rMag, 99), GREATEST(rMag, rMag), -rMag, ABS(rMag) FROM Object WHERE rMag IS NOT NULL;

-- floors of decimals are whole numbers
SELECT FLOOR(score), CEILING(score), FLOOR(score / 3), CEIL(-1.5), FLOOR(1234567890123456789012.5), FLOOR(12345678901234567.5) FROM Object WHERE decl > 89.5;

-- a floor of a mean
SELECT FLOOR(AVG(detections)), CEIL(AVG(score)), AVG(score) * 2, AVG(detections) + AVG(flags), AVG(detections) / AVG(flags), FLOOR(AVG(hits)) FROM Object;

-- casts beyond the ends of types
SELECT CAST(1e20 AS SIGNED), CAST(-1e20 AS SIGNED), CAST(99999 AS DECIMAL(3,0)), CAST(-99 AS DECIMAL(2,1)), CAST(1234.567 AS DECIMAL(5,1)), CAST(rFlux * 1e17 AS SIGNED) FROM Object WHERE decl > 89.5;
