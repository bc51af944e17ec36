-- use: gaia

-- stars counted
SELECT COUNT(*) FROM Star;

-- stars by magnitude
SELECT FLOOR(mag) AS m, COUNT(*) AS n, AVG(bp) AS blue, AVG(rp) AS red FROM Star GROUP BY m;

-- the brightest
-- ordered
SELECT source_id, ra, decl, mag FROM Star ORDER BY mag, source_id LIMIT 20;

-- red stars
SELECT source_id, bp - rp AS colour FROM Star WHERE bp - rp > 4;

-- a range of identifiers
SELECT COUNT(*), MIN(source_id), MAX(source_id) FROM Star WHERE source_id > 6000000000000000000;

-- identifiers below zero
SELECT source_id, mag FROM Star WHERE source_id < 0;

-- by sub-chunk
SELECT chunkId, subChunkId, COUNT(*) AS n FROM Star WHERE decl > 85 GROUP BY chunkId, subChunkId;

-- Hipparcos: nearby stars
-- ordered
SELECT hip, 1000 / plx AS parsecs, hpmag FROM hip.Star WHERE plx > 50 ORDER BY plx DESC, hip;

-- Hipparcos: absolute magnitudes
SELECT COUNT(*), MIN(hpmag + 5 * LOG10(plx / 100)) AS brightest FROM hip.Star WHERE plx > 1;

-- Hipparcos: colours
SELECT ROUND(b_v, 1) AS colour, COUNT(*) AS n FROM hip.Star GROUP BY colour;

-- OpenNGC: kinds of objects
SELECT type, COUNT(*) AS n FROM ongc.Object GROUP BY type;

-- OpenNGC: Messier's
-- ordered
SELECT name, messier, const, vmag FROM ongc.Object WHERE messier <> '' ORDER BY name;

-- OpenNGC: names
SELECT name, commonnames FROM ongc.Object WHERE commonnames LIKE '%nebula%';

-- OpenNGC: near a place
SELECT name, scisql_angSep(ra, decl, 10.68, 41.27) AS d FROM ongc.Object WHERE scisql_angSep(ra, decl, 10.68, 41.27) < 2;

-- OpenNGC: the largest of each constellation
SELECT const, MAX(majax) AS size, COUNT(*) AS n FROM ongc.Object WHERE type = 'G' GROUP BY const;

-- OpenNGC: missing magnitudes
SELECT COUNT(*), COUNT(bmag), COUNT(vmag), AVG(vmag), SUM(bmag IS NULL AND vmag IS NULL) FROM ongc.Object;

-- OpenNGC: galaxies by the first letter of their Hubble type
SELECT UPPER(LEFT(hubble, 1)) AS h, COUNT(*) AS n FROM ongc.Object WHERE hubble > '' GROUP BY h ORDER BY h;

-- rows of two databases
SELECT (SELECT COUNT(*) FROM Star) AS gaia, (SELECT COUNT(*) FROM hip.Star) AS hip;
