-- use: synth

-- the common ones
SELECT COUNT(*), SUM(detections), AVG(detections), MIN(detections), MAX(detections) FROM Object;

-- over doubles
SELECT SUM(iFlux), AVG(iFlux), MIN(iFlux), MAX(iFlux) FROM Object;

-- over FLOAT
SELECT SUM(rMag), AVG(rMag), MIN(rMag), MAX(rMag) FROM Object;

-- over decimals
SELECT SUM(score), AVG(score), MIN(score), MAX(score) FROM Object;

-- over unsigned integers that pass 2^64
SELECT SUM(hits), MAX(hits), MIN(hits) FROM Object;

-- over dates
SELECT MIN(firstSeen), MAX(firstSeen), MIN(lastNight), MAX(lastNight), MIN(exposure) FROM Object;

-- inside expressions
SELECT SUM(gFlux) / COUNT(gFlux) - AVG(gFlux) < 1e-6 AS same, MAX(ra) - MIN(ra) AS width, ROUND(AVG(rMag), 1) AS r FROM Object;

-- of expressions
SELECT SUM(gFlux + rFlux), AVG(detections * 2), COUNT(gFlux > 10), SUM(gFlux > 10) FROM Object;

-- with a condition inside
SELECT SUM(IF(class = 'star', 1, 0)) AS stars, SUM(CASE WHEN class = 'gal' THEN iFlux ELSE 0 END) AS flux FROM Object;

-- the same aggregate twice
SELECT COUNT(*), COUNT(*), COUNT(*) + 1 FROM Object;

-- deviations and variances
SELECT STDDEV(rMag), STD(rMag), STDDEV_POP(iFlux), STDDEV_SAMP(iFlux), VARIANCE(rMag), VAR_POP(rMag), VAR_SAMP(rMag) FROM Object;

-- deviations by group
SELECT detections, STDDEV(decl) AS s, VAR_SAMP(decl) AS v FROM Object GROUP BY detections;

-- bits
SELECT BIT_AND(flags), BIT_OR(flags), BIT_XOR(flags) FROM Object;

-- bits over nothing
SELECT BIT_AND(flags), BIT_OR(flags), BIT_XOR(flags) FROM Object WHERE ra > 400;

-- distinct values summed and counted
SELECT SUM(DISTINCT detections), COUNT(DISTINCT detections), AVG(DISTINCT detections), COUNT(DISTINCT flags) FROM Object;

-- several columns distinct
SELECT COUNT(DISTINCT detections, variable) FROM Object;

-- distinct by group
SELECT variable, COUNT(DISTINCT class) AS classes, COUNT(*) AS n FROM Object GROUP BY variable;

-- an aggregate with a constant
SELECT 'all' AS what, COUNT(*) AS n, 1 + 1 AS two FROM Object;

-- an aggregate over a replicated table
SELECT COUNT(*), AVG(wavelength) FROM Filter;

-- an aggregate over a child
SELECT COUNT(*), AVG(psfFlux), MIN(midPoint), MAX(midPoint), COUNT(psfFlux) FROM Source;

-- an aggregate over a child that has no position
SELECT filterId, COUNT(*) AS n, AVG(psfFlux) AS f FROM ForcedSource GROUP BY filterId;

-- aggregates of a filtered director
SELECT COUNT(*), AVG(ra) FROM Object WHERE decl < -89.8;
