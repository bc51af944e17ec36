-- scisql's functions for MariaDB, so that one text runs on both databases. Angles are degrees, an ellipse's axes arc seconds.

CREATE FUNCTION scisql_angSep(ra1 DOUBLE, decl1 DOUBLE, ra2 DOUBLE, decl2 DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN IF(ABS(decl1) > 90 OR ABS(decl2) > 90, NULL,
    DEGREES(2 * ASIN(SQRT(LEAST(1,
        POW(SIN(RADIANS(decl2 - decl1) / 2), 2)
        + COS(RADIANS(decl1)) * COS(RADIANS(decl2)) * POW(SIN(RADIANS(ra2 - ra1) / 2), 2))))));

CREATE FUNCTION scisql_s2PtInBox(ra DOUBLE, decl DOUBLE, ra1 DOUBLE, decl1 DOUBLE, ra2 DOUBLE, decl2 DOUBLE)
RETURNS INT DETERMINISTIC
RETURN IF(ra IS NULL OR decl IS NULL, 0,
    decl BETWEEN decl1 AND decl2
    AND IF(ra2 - ra1 >= 360 OR (ra1 = 0 AND ra2 = 360), 1,
        IF(MOD(ra1 + 720, 360) <= MOD(ra2 + 720, 360),
            MOD(ra + 720, 360) BETWEEN MOD(ra1 + 720, 360) AND MOD(ra2 + 720, 360),
            MOD(ra + 720, 360) >= MOD(ra1 + 720, 360) OR MOD(ra + 720, 360) <= MOD(ra2 + 720, 360))));

CREATE FUNCTION scisql_s2PtInCircle(ra DOUBLE, decl DOUBLE, ra0 DOUBLE, decl0 DOUBLE, radius DOUBLE)
RETURNS INT DETERMINISTIC
RETURN IF(ra IS NULL OR decl IS NULL, 0,
    DEGREES(2 * ASIN(SQRT(LEAST(1,
        POW(SIN(RADIANS(decl0 - decl) / 2), 2)
        + COS(RADIANS(decl)) * COS(RADIANS(decl0)) * POW(SIN(RADIANS(ra0 - ra) / 2), 2))))) <= radius);

-- A point is within an ellipse where the sum of its distances from the foci is at most twice the greater half axis. The
-- foci lie along the position angle, which goes from north to east, at the distance f with cos f = cos a / cos b. The
-- arguments are the half axes in the orthographic projection, the sines of a and b.
CREATE FUNCTION focal_distance(smaa DOUBLE, smia DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN ACOS(LEAST(1, COS(ASIN(RADIANS(smaa / 3600))) / COS(ASIN(RADIANS(smia / 3600)))));

CREATE FUNCTION focus_decl(decl0 DOUBLE, angle DOUBLE, focal DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN DEGREES(ASIN(SIN(RADIANS(decl0)) * COS(focal) + COS(RADIANS(decl0)) * SIN(focal) * COS(RADIANS(angle))));

CREATE FUNCTION focus_ra(ra0 DOUBLE, decl0 DOUBLE, angle DOUBLE, focal DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN ra0 + DEGREES(ATAN2(
    SIN(RADIANS(angle)) * SIN(focal) * COS(RADIANS(decl0)),
    COS(focal) - SIN(RADIANS(decl0)) * SIN(RADIANS(focus_decl(decl0, angle, focal)))));

CREATE FUNCTION scisql_s2PtInEllipse(
    ra DOUBLE, decl DOUBLE, ra0 DOUBLE, decl0 DOUBLE, smaa DOUBLE, smia DOUBLE, angle DOUBLE)
RETURNS INT DETERMINISTIC
RETURN IF(ra IS NULL OR decl IS NULL, 0,
    scisql_angSep(ra, decl, focus_ra(ra0, decl0, angle, focal_distance(smaa, smia)),
        focus_decl(decl0, angle, focal_distance(smaa, smia)))
    + scisql_angSep(ra, decl, focus_ra(ra0, decl0, angle + 180, focal_distance(smaa, smia)),
        focus_decl(decl0, angle + 180, focal_distance(smaa, smia)))
    <= 2 * DEGREES(ASIN(RADIANS(smaa / 3600))));

-- The sign says on which side of the great circle from the first to the second position the point lies.
CREATE FUNCTION side(ra DOUBLE, decl DOUBLE, ra1 DOUBLE, decl1 DOUBLE, ra2 DOUBLE, decl2 DOUBLE)
RETURNS INT DETERMINISTIC
RETURN SIGN(
    COS(RADIANS(decl)) * (
        COS(RADIANS(decl1)) * SIN(RADIANS(decl2)) * SIN(RADIANS(ra1 - ra))
        - SIN(RADIANS(decl1)) * COS(RADIANS(decl2)) * SIN(RADIANS(ra2 - ra)))
    + SIN(RADIANS(decl)) * COS(RADIANS(decl1)) * COS(RADIANS(decl2)) * SIN(RADIANS(ra2 - ra1)));

-- A convex polygon of four corners, in either sense; its antipode has all signs turned, and is no part of it.
CREATE FUNCTION scisql_s2PtInCPoly(
    ra DOUBLE, decl DOUBLE, ra1 DOUBLE, decl1 DOUBLE, ra2 DOUBLE, decl2 DOUBLE,
    ra3 DOUBLE, decl3 DOUBLE, ra4 DOUBLE, decl4 DOUBLE)
RETURNS INT DETERMINISTIC
RETURN IF(ra IS NULL OR decl IS NULL OR scisql_angSep(ra, decl, ra1, decl1) > 90, 0,
    GREATEST(side(ra, decl, ra1, decl1, ra2, decl2), side(ra, decl, ra2, decl2, ra3, decl3),
        side(ra, decl, ra3, decl3, ra4, decl4), side(ra, decl, ra4, decl4, ra1, decl1)) <= 0
    OR LEAST(side(ra, decl, ra1, decl1, ra2, decl2), side(ra, decl, ra2, decl2, ra3, decl3),
        side(ra, decl, ra3, decl3, ra4, decl4), side(ra, decl, ra4, decl4, ra1, decl1)) >= 0);

CREATE FUNCTION scisql_fluxToAbMag(flux DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN -2.5e0 * LOG10(flux) - 48.6e0;

CREATE FUNCTION scisql_abMagToFlux(mag DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN POW(10, -0.4e0 * (mag + 48.6e0));

CREATE FUNCTION scisql_fluxToAbMagSigma(flux DOUBLE, sigma DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN 2.5e0 / LN(10) * sigma / flux;

CREATE FUNCTION scisql_abMagToFluxSigma(mag DOUBLE, sigma DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN 0.4e0 * LN(10) * sigma * POW(10, -0.4e0 * (mag + 48.6e0));

CREATE FUNCTION scisql_nanojanskyToAbMag(flux DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN 31.4e0 - 2.5e0 * LOG10(flux);

CREATE FUNCTION scisql_abMagToNanojansky(mag DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN POW(10, 0.4e0 * (31.4e0 - mag));

CREATE FUNCTION scisql_nanojanskyToAbMagSigma(flux DOUBLE, sigma DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN 2.5e0 / LN(10) * sigma / flux;

CREATE FUNCTION scisql_abMagToNanojanskySigma(mag DOUBLE, sigma DOUBLE) RETURNS DOUBLE DETERMINISTIC
RETURN 0.4e0 * LN(10) * sigma * POW(10, 0.4e0 * (31.4e0 - mag));
