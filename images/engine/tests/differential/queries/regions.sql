-- use: synth

-- a box by the restrictor
SELECT objectId FROM Object WHERE qserv_areaspec_box(266.5, -30.5, 267.5, -29);
-- mariadb
SELECT objectId FROM Object WHERE scisql_s2PtInBox(ra, decl, 266.5, -30.5, 267.5, -29) = 1;

-- a box across right ascension 0
SELECT objectId, ra FROM Object WHERE qserv_areaspec_box(359.8, -0.3, 0.2, 0.3);
-- mariadb
SELECT objectId, ra FROM Object WHERE scisql_s2PtInBox(ra, decl, 359.8, -0.3, 0.2, 0.3) = 1;

-- a box around a pole
SELECT COUNT(*) FROM Object WHERE qserv_areaspec_box(0, 89.5, 360, 90);
-- mariadb
SELECT COUNT(*) FROM Object WHERE decl >= 89.5;

-- a circle by the restrictor
SELECT objectId, rMag FROM Object WHERE qserv_areaspec_circle(267.2, -29.4, 0.5);
-- mariadb
SELECT objectId, rMag FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267.2, -29.4, 0.5) = 1;

-- a circle around the pole
SELECT objectId FROM Object WHERE qserv_areaspec_circle(123, 90, 0.3);
-- mariadb
SELECT objectId FROM Object WHERE scisql_s2PtInCircle(ra, decl, 123, 90, 0.3) = 1;

-- a circle beside the pole, over it
SELECT objectId FROM Object WHERE qserv_areaspec_circle(40, 89.8, 0.5);
-- mariadb
SELECT objectId FROM Object WHERE scisql_s2PtInCircle(ra, decl, 40, 89.8, 0.5) = 1;

-- a circle across right ascension 0
SELECT COUNT(*), AVG(decl) FROM Object WHERE qserv_areaspec_circle(0, 0, 0.25);
-- mariadb
SELECT COUNT(*), AVG(decl) FROM Object WHERE scisql_s2PtInCircle(ra, decl, 0, 0, 0.25) = 1;

-- an ellipse by the restrictor
SELECT objectId FROM Object WHERE qserv_areaspec_ellipse(267.5, -29.5, 3600, 1200, 30);
-- mariadb
SELECT objectId FROM Object WHERE scisql_s2PtInEllipse(ra, decl, 267.5, -29.5, 3600, 1200, 30) = 1;

-- a polygon by the restrictor
SELECT objectId FROM Object WHERE qserv_areaspec_poly(266.5, -30.5, 268.5, -30.2, 268.2, -28.5, 266.8, -28.6);
-- mariadb
SELECT objectId FROM Object WHERE scisql_s2PtInCPoly(ra, decl, 266.5, -30.5, 268.5, -30.2, 268.2, -28.5, 266.8, -28.6) = 1;

-- a polygon across right ascension 0
SELECT objectId FROM Object WHERE qserv_areaspec_poly(359.7, -0.3, 0.3, -0.2, 0.2, 0.4, 359.8, 0.3);
-- mariadb
SELECT objectId FROM Object WHERE scisql_s2PtInCPoly(ra, decl, 359.7, -0.3, 0.3, -0.2, 0.2, 0.4, 359.8, 0.3) = 1;

-- a restrictor and more conditions
SELECT COUNT(*), AVG(rMag) FROM Object WHERE qserv_areaspec_box(266, -31, 269, -28) AND class = 'gal' AND rMag < 22;
-- mariadb
SELECT COUNT(*), AVG(rMag) FROM Object WHERE scisql_s2PtInBox(ra, decl, 266, -31, 269, -28) = 1 AND class = 'gal' AND rMag < 22;

-- a restrictor and a group
SELECT UPPER(class) AS c, COUNT(*) AS n FROM Object WHERE qserv_areaspec_circle(267.5, -29.5, 1) GROUP BY class;
-- mariadb
SELECT UPPER(class) AS c, COUNT(*) AS n FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267.5, -29.5, 1) = 1 GROUP BY class;

-- a restrictor over a join is for the director
SELECT COUNT(*), AVG(s.psfFlux) FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE qserv_areaspec_box(266, -31, 268, -29);
-- mariadb
SELECT COUNT(*), AVG(s.psfFlux) FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE scisql_s2PtInBox(o.ra, o.decl, 266, -31, 268, -29) = 1;

-- a restrictor over a child with a position
SELECT COUNT(*) FROM Source WHERE qserv_areaspec_circle(0, 0, 0.3);
-- mariadb
SELECT COUNT(*) FROM Source WHERE scisql_s2PtInCircle(ra, decl, 0, 0, 0.3) = 1;

-- a restrictor over nothing
SELECT COUNT(*), MAX(rMag) FROM Object WHERE qserv_areaspec_circle(100, 45.123, 0.001);
-- mariadb
SELECT COUNT(*), MAX(rMag) FROM Object WHERE scisql_s2PtInCircle(ra, decl, 100, 45.123, 0.001) = 1;

-- s2PtInBox
SELECT objectId FROM Object WHERE scisql_s2PtInBox(ra, decl, 359.5, -1, 0.5, 1) = 1;

-- s2PtInBox at corners of chunks
SELECT objectId, chunkId FROM Object WHERE scisql_s2PtInBox(ra, decl, 359.9, 9.9, 0.1, 10.1) = 1;

-- s2PtInCircle
SELECT objectId FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267, -29, 0.4) = 1;

-- s2PtInCircle that is not so
SELECT COUNT(*) FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267, -29, 0.4) = 0;

-- s2PtInEllipse
SELECT objectId FROM Object WHERE scisql_s2PtInEllipse(ra, decl, 0, 0, 1800, 900, 120) = 1;

-- s2PtInCPoly
SELECT objectId FROM Object WHERE scisql_s2PtInCPoly(ra, decl, 266.5, -30.5, 268, -30.5, 268, -29, 266.5, -29) = 1;

-- s2PtIn as a column
SELECT objectId, scisql_s2PtInCircle(ra, decl, 0, 90, 0.5) AS inside FROM Object WHERE decl > 89;

-- either of two regions
SELECT COUNT(*) FROM Object WHERE scisql_s2PtInCircle(ra, decl, 0, 0, 0.2) = 1 OR scisql_s2PtInCircle(ra, decl, 0, 90, 0.2) = 1;

-- both of two regions
SELECT COUNT(*) FROM Object WHERE scisql_s2PtInBox(ra, decl, 266, -31, 268, -29) = 1 AND scisql_s2PtInCircle(ra, decl, 268, -29, 1) = 1;

-- a region and a chunk
SELECT COUNT(*) FROM Object WHERE scisql_s2PtInBox(ra, decl, 355, -5, 5, 5) = 1 AND chunkId > 300;

-- a region of Gaia
SELECT COUNT(*), AVG(mag), MIN(decl) FROM gaia.Star WHERE qserv_areaspec_circle(270, -25, 6);
-- mariadb
SELECT COUNT(*), AVG(mag), MIN(decl) FROM gaia.Star WHERE scisql_s2PtInCircle(ra, decl, 270, -25, 6) = 1;

-- the pole of Gaia
SELECT source_id, mag FROM gaia.Star WHERE qserv_areaspec_circle(200, 89.9, 1.5);
-- mariadb
SELECT source_id, mag FROM gaia.Star WHERE scisql_s2PtInCircle(ra, decl, 200, 89.9, 1.5) = 1;

-- distances from a place
-- ordered
SELECT objectId, scisql_angSep(ra, decl, 267.5, -29.5) AS d FROM Object WHERE qserv_areaspec_circle(267.5, -29.5, 0.2) ORDER BY d;
-- mariadb
SELECT objectId, scisql_angSep(ra, decl, 267.5, -29.5) AS d FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267.5, -29.5, 0.2) = 1 ORDER BY d;
