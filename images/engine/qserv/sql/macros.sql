-- Separation of two points by Vincenty's formula, exact for small, right and antipodal angles alike.
CREATE OR REPLACE MACRO qserv_vincenty(dlon, lat1, lat2) AS degrees(atan2(
    sqrt(pow(cos(radians(lat2)) * sin(radians(dlon)), 2)
        + pow(sin(radians(lat2 - lat1)) + 2 * sin(radians(lat1)) * cos(radians(lat2)) * pow(sin(radians(dlon) / 2), 2), 2)),
    cos(radians(lat2 - lat1)) - 2 * cos(radians(lat1)) * cos(radians(lat2)) * pow(sin(radians(dlon) / 2), 2)));
CREATE OR REPLACE MACRO scisql_angSep(lon1, lat1, lon2, lat2) AS
    CASE WHEN abs(lat1) <= 90 AND abs(lat2) <= 90 THEN qserv_vincenty(lon2 - lon1, lat1, lat2) END;

-- Numbers out of strings, as MySQL reads them: the longest numeric beginning, else 0.
CREATE OR REPLACE MACRO qserv_number(s) AS
    CASE WHEN s IS NULL THEN NULL ELSE
        coalesce(TRY_CAST(s AS DOUBLE),
            TRY_CAST(regexp_extract(s, '^\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)', 1) AS DOUBLE), 0.0::DOUBLE) END;
CREATE OR REPLACE MACRO qserv_integer(s) AS
    CASE WHEN s IS NULL THEN NULL ELSE
        coalesce(TRY_CAST(regexp_extract(s, '^\s*([-+]?[0-9]+)', 1) AS BIGINT), 0) END;

-- What equals under utf8mb4_general_ci: no case, no accents, no trailing spaces.
CREATE OR REPLACE MACRO qserv_fold(s) AS rtrim(replace(upper(strip_accents(s)), 'ẞ', 'S'), ' ');

CREATE OR REPLACE MACRO qserv_text(x) AS CASE
    WHEN x = 0 THEN '0'
    WHEN abs(x) >= 1e-15 AND abs(x) < 1e-4 THEN CASE WHEN x < 0 THEN '-0.' ELSE '0.' END
        || repeat('0', CAST(regexp_extract(CAST(x AS VARCHAR), 'e-0*([0-9]+)', 1) AS INTEGER) - 1)
        || regexp_replace(regexp_replace(CAST(x AS VARCHAR), 'e.*', ''), '[-.]', '', 'g')
    WHEN abs(x) >= 1e15 AND abs(x) < 1e16 THEN replace(regexp_replace(regexp_replace(CAST(x AS VARCHAR), '\.0$', ''),
        '^(-?[0-9])([0-9]*?)0*$', '\1.\2e15'), '.e', 'e')
    ELSE regexp_replace(regexp_replace(regexp_replace(CAST(x AS VARCHAR), '\.0$', ''), '\.0e', 'e'), 'e\+?(-?)0*', 'e\1')
    END;
-- A FLOAT as MySQL shows it: six digits.
CREATE OR REPLACE MACRO qserv_six_digits(x) AS CAST(printf('%.6g', CAST(x AS DOUBLE)) AS DOUBLE);
CREATE OR REPLACE MACRO qserv_cut(t, micros) AS t - to_microseconds(CAST(microsecond(t) % micros AS BIGINT));
CREATE OR REPLACE MACRO qserv_datetime_text(t) AS
    CASE WHEN microsecond(t) % 1000000 = 0 THEN strftime(t, '%Y-%m-%d %H:%M:%S') ELSE strftime(t, '%Y-%m-%d %H:%M:%S.%f') END;
CREATE OR REPLACE MACRO qserv_datetime(s) AS CASE WHEN regexp_full_match(s, '[0-9]{8}|[0-9]{14}')
    THEN try_strptime(s, ['%Y%m%d', '%Y%m%d%H%M%S']) ELSE TRY_CAST(s AS TIMESTAMP) END;
-- Whole months from one time to a later one; MySQL counts no month whose day and time have not come again.
CREATE OR REPLACE MACRO qserv_months(a, b) AS date_diff('month', a, b) + CASE
    WHEN b >= a AND b - date_trunc('month', b) < a - date_trunc('month', a) THEN -1
    WHEN b < a AND b - date_trunc('month', b) > a - date_trunc('month', a) THEN 1 ELSE 0 END;

CREATE OR REPLACE MACRO qserv_bits(n) AS
    CAST(CASE WHEN n < 0 THEN CAST(n AS HUGEINT) + 18446744073709551616 ELSE CAST(n AS HUGEINT) END AS UBIGINT);
CREATE OR REPLACE MACRO qserv_signed(n) AS
    CAST(CASE WHEN n > 9223372036854775807 THEN CAST(n AS HUGEINT) - 18446744073709551616 ELSE CAST(n AS HUGEINT) END AS BIGINT);
CREATE OR REPLACE MACRO qserv_shift_left(n, k) AS
    CASE WHEN k < 0 OR k >= 64 THEN CASE WHEN n IS NULL OR k IS NULL THEN NULL ELSE 0::UBIGINT END
    ELSE CAST(CAST(n & (CASE WHEN k = 0 THEN 18446744073709551615::UBIGINT ELSE (1::UBIGINT << (64 - k)) - 1::UBIGINT END) AS UBIGINT) << CAST(k AS UBIGINT) AS UBIGINT) END;
CREATE OR REPLACE MACRO qserv_shift_right(n, k) AS
    CASE WHEN k < 0 OR k >= 64 THEN CASE WHEN n IS NULL OR k IS NULL THEN NULL ELSE 0::UBIGINT END
    ELSE CAST(n >> CAST(k AS UBIGINT) AS UBIGINT) END;

CREATE OR REPLACE MACRO qserv_greatest_text(l) AS
    list_reduce(l, lambda a, b: CASE WHEN qserv_fold(b) > qserv_fold(a) THEN b ELSE a END);
CREATE OR REPLACE MACRO qserv_least_text(l) AS
    list_reduce(l, lambda a, b: CASE WHEN qserv_fold(b) < qserv_fold(a) THEN b ELSE a END);

-- Count, mean and sum of squared deviations of several batches, put together by Chan's formula. The fields are written
-- a['n'], since in HAVING DuckDB takes a.n for a column.
CREATE OR REPLACE MACRO qserv_moments(parts) AS
    list_reduce(parts, lambda a, b: struct_pack(
        n := a['n'] + b['n'],
        m := CASE WHEN a['n'] = 0 THEN b['m'] WHEN b['n'] = 0 THEN a['m']
             ELSE a['m'] + (b['m'] - a['m']) * b['n'] / (a['n'] + b['n']) END,
        s := CASE WHEN a['n'] = 0 THEN b['s'] WHEN b['n'] = 0 THEN a['s']
             ELSE a['s'] + b['s'] + pow(b['m'] - a['m'], 2) * a['n'] * b['n'] / (a['n'] + b['n']) END));
-- The first of those texts that fold to the same, in their order.
CREATE OR REPLACE MACRO qserv_distinct_texts(l) AS
    list_transform([list_filter(l, lambda v: v IS NOT NULL)],
        lambda d: list_transform([list_transform(d, lambda w: qserv_fold(w))],
            lambda f: list_filter(d, lambda v, i: list_position(f, f[i]) = i))[1])[1];

-- MySQL has neither infinities nor NaN: such a DOUBLE is out of range, an error that the text that cannot be converted tells.
CREATE OR REPLACE MACRO qserv_in_range(x) AS
    CASE WHEN NOT isfinite(x) THEN CAST('DOUBLE out of range: ' || CAST(x AS VARCHAR) AS DOUBLE) ELSE x END;

CREATE OR REPLACE MACRO qserv_round(x, n) AS
    CASE WHEN n >= 0 THEN CASE WHEN abs(x) * pow(10, n) >= 4503599627370496 THEN x
            ELSE round_even(x * pow(10, n), 0) / pow(10, n) END
        ELSE round_even(x / pow(10, -n), 0) * pow(10, -n) END;
CREATE OR REPLACE MACRO qserv_trunc(x, n) AS
    CASE WHEN n >= 0 THEN CASE WHEN abs(x) * pow(10, n) >= 4503599627370496 THEN x
            ELSE trunc(x * pow(10, n)) / pow(10, n) END
        ELSE trunc(x / pow(10, -n)) * pow(10, -n) END;
CREATE OR REPLACE MACRO qserv_bin(n) AS bin(n);
CREATE OR REPLACE MACRO qserv_oct(n) AS printf('%o', n);

CREATE OR REPLACE MACRO qserv_substring(s, start, n) AS
    CASE WHEN s IS NULL OR start IS NULL OR n IS NULL THEN NULL
    WHEN n <= 0 OR start = 0 OR abs(start) > length(s) THEN ''
    ELSE substring(s, CASE WHEN start > 0 THEN start ELSE length(s) + start + 1 END, least(n, length(s))) END;
CREATE OR REPLACE MACRO qserv_position(s, wanted, start) AS
    CASE WHEN s IS NULL OR wanted IS NULL OR start IS NULL THEN NULL
    WHEN start < 1 OR start > length(s) + 1 THEN 0
    WHEN strpos(upper(strip_accents(substring(s, start))), upper(strip_accents(wanted))) = 0 THEN 0
    ELSE strpos(upper(strip_accents(substring(s, start))), upper(strip_accents(wanted))) + start - 1 END;
-- The first byte of a text, and the bytes of its first character as a number.
CREATE OR REPLACE MACRO qserv_ascii(s) AS
    CASE WHEN s = '' THEN 0 ELSE CAST('0x' || left(hex(encode(left(s, 1))), 2) AS INTEGER) END;
CREATE OR REPLACE MACRO qserv_ord(s) AS CASE WHEN s = '' THEN 0 ELSE CAST('0x' || hex(encode(left(s, 1))) AS BIGINT) END;
CREATE OR REPLACE MACRO qserv_unhex(s) AS CASE WHEN regexp_full_match(s, '[0-9A-Fa-f]*') THEN unhex(s) END;
CREATE OR REPLACE MACRO qserv_find_in_set(s, listed) AS
    CASE WHEN s IS NULL OR listed IS NULL THEN NULL WHEN listed = '' THEN 0
    ELSE coalesce(list_position(string_split(listed, ','), s), 0) END;
-- An exact number's text with a comma after each three digits of its whole part.
CREATE OR REPLACE MACRO qserv_grouped(t) AS
    regexp_replace(reverse(regexp_replace(reverse(split_part(t, '.', 1)), '([0-9]{3})', '\1,', 'g')), '^(-?),', '\1')
    || CASE WHEN contains(t, '.') THEN '.' || split_part(t, '.', 2) ELSE '' END;
CREATE OR REPLACE MACRO qserv_ltrim(s, what) AS
    CASE WHEN what = '' THEN s ELSE regexp_replace(s, '^(?:' || regexp_escape(what) || ')+', '') END;
CREATE OR REPLACE MACRO qserv_rtrim(s, what) AS
    CASE WHEN what = '' THEN s ELSE regexp_replace(s, '(?:' || regexp_escape(what) || ')+$', '') END;
CREATE OR REPLACE MACRO qserv_trim(s, what) AS qserv_rtrim(qserv_ltrim(s, what), what);
CREATE OR REPLACE MACRO qserv_substring_index(s, mark, n) AS
    CASE WHEN s IS NULL OR mark IS NULL OR n IS NULL THEN NULL
    WHEN mark = '' OR n = 0 THEN ''
    WHEN n > 0 THEN array_to_string(string_split(s, mark)[1:n], mark)
    ELSE array_to_string(string_split(s, mark)[greatest(1, len(string_split(s, mark)) + n + 1):], mark) END;
CREATE OR REPLACE MACRO qserv_insert(s, start, n, new) AS
    CASE WHEN start < 1 OR start > length(s) THEN s
    WHEN n < 0 OR start + n > length(s) THEN left(s, start - 1) || new
    ELSE left(s, start - 1) || new || substring(s, start + n) END;
CREATE OR REPLACE MACRO qserv_clock(micros) AS
    CASE WHEN micros < 0 OR micros >= 86400000000 THEN CAST('TIME out of range: ' || micros // 1000000 || ' seconds' AS TIME)
    ELSE CAST(make_timestamp(micros) AS TIME) END;
CREATE OR REPLACE MACRO qserv_period_months(p) AS CASE WHEN p = 0 THEN 0 ELSE
    (p // 100 + CASE WHEN p // 100 < 70 THEN 2000 WHEN p // 100 < 100 THEN 1900 ELSE 0 END) * 12 + p % 100 - 1 END;
-- Codes of the letters of a text without vowels, the equal ones in a row once; MySQL keeps all of them, at least three.
CREATE OR REPLACE MACRO qserv_letters(s) AS regexp_replace(s, '[^A-Za-z\x{C0}-\x{10FFFF}]', '', 'g');
CREATE OR REPLACE MACRO qserv_codes(letters) AS list_reduce(
    list_prepend(regexp_replace(translate(letters, 'BFPVCGJKQSXZDTLMNRbfpvcgjkqsxzdtlmnr', '111122222222334556111122222222334556'), '[^1-6]', '', 'g'),
        ['1', '2', '3', '4', '5', '6']), lambda codes, code: regexp_replace(codes, code || '+', code, 'g'));
CREATE OR REPLACE MACRO qserv_later_codes(letters) AS
    substring(qserv_codes(letters), 1 + length(qserv_codes(left(letters, 1))));
CREATE OR REPLACE MACRO qserv_soundex(s) AS CASE WHEN qserv_letters(s) = '' THEN '' ELSE CASE WHEN left(qserv_letters(s), 1) BETWEEN 'a' AND 'z' THEN upper(left(qserv_letters(s), 1)) ELSE left(qserv_letters(s), 1) END
    || qserv_later_codes(qserv_letters(s)) || repeat('0', 3 - length(qserv_later_codes(qserv_letters(s)))) END;
-- Digits of a base as 64 bits without a sign, and these in another base, whose powers come highest first.
CREATE OR REPLACE MACRO qserv_digits() AS '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
CREATE OR REPLACE MACRO qserv_unsigned(digits, base) AS list_reduce(
    list_transform(string_split('0' || digits, ''), lambda d: CAST(strpos(qserv_digits(), d) - 1 AS HUGEINT)),
    lambda sum, d: least(sum * base + d, 18446744073709551615::HUGEINT));
CREATE OR REPLACE MACRO qserv_whole(digits, base, negative) AS CASE WHEN negative
    THEN (18446744073709551616::HUGEINT - qserv_unsigned(digits, base)) % 18446744073709551616::HUGEINT
    ELSE qserv_unsigned(digits, base) END;
CREATE OR REPLACE MACRO qserv_in_base(n, base, powers) AS coalesce(nullif(ltrim(array_to_string(
    list_transform(powers, lambda p: substring(qserv_digits(), CAST((n // p) % base + 1 AS BIGINT), 1)), ''), '0'), ''), '0');
CREATE OR REPLACE MACRO qserv_regexp_position(s, pattern, option) AS CASE WHEN regexp_matches(s, pattern, option)
    THEN length(regexp_extract(s, '^((?s:.*?))(?:' || pattern || ')', 1, option)) + 1 ELSE 0 + 0 * length(pattern || s) END;
CREATE OR REPLACE MACRO qserv_inet_aton(s) AS CASE WHEN regexp_full_match(s, '([0-9]{1,3}\.){3}[0-9]{1,3}')
    AND list_max(CAST(string_split(s, '.') AS INTEGER[])) < 256 THEN CAST(list_reduce(
        CAST(string_split(s, '.') AS BIGINT[]), lambda whole, each: whole * 256 + each) AS UBIGINT) END;
CREATE OR REPLACE MACRO qserv_inet_ntoa(n) AS CASE WHEN n BETWEEN 0 AND 4294967295
    THEN concat_ws('.', n // 16777216, n // 65536 % 256, n // 256 % 256, n % 256) END;
CREATE OR REPLACE MACRO qserv_quote(s) AS CASE WHEN s IS NULL THEN 'NULL' ELSE
    '''' || replace(replace(replace(replace(s, '\', '\\'), '''', '\'''), chr(0), '\0'), chr(26), '\Z') || '''' END;
CREATE OR REPLACE MACRO qserv_to_base64(data) AS
    rtrim(regexp_replace(to_base64(data), '(.{76})', '\1' || chr(10), 'g'), chr(10));
CREATE OR REPLACE MACRO qserv_from_base64(s) AS CASE WHEN regexp_full_match(regexp_replace(s, '\s', '', 'g'),
    '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?') THEN from_base64(regexp_replace(s, '\s', '', 'g')) END;
CREATE OR REPLACE MACRO qserv_now() AS CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP);
CREATE OR REPLACE MACRO qserv_date_or_time_text(t, given) AS
    CASE WHEN length(given) > 10 THEN qserv_datetime_text(t) ELSE strftime(t, '%Y-%m-%d') END;

-- scisql's point-in-region functions: 1 or 0, also where an argument is NULL; NULL where no such place exists.
CREATE OR REPLACE MACRO qserv_on_sphere(lon, lat) AS isfinite(lon) AND abs(lat) <= 90;
CREATE OR REPLACE MACRO qserv_wrap(lon) AS lon - 360 * floor(lon / 360);
CREATE OR REPLACE MACRO scisql_s2PtInBox(lon, lat, lon_min, lat_min, lon_max, lat_max) AS
    CASE WHEN lon IS NULL OR lat IS NULL OR lon_min IS NULL OR lat_min IS NULL OR lon_max IS NULL OR lat_max IS NULL THEN 0
        WHEN NOT isfinite(lon) OR NOT abs(lat) <= 90 THEN NULL
        WHEN lat < lat_min OR lat > lat_max THEN 0
        WHEN lon_max - lon_min >= 360 THEN 1
        WHEN qserv_wrap(lon_min) <= (CASE WHEN lon_max = 360 THEN 360 ELSE qserv_wrap(lon_max) END) THEN
            CAST(qserv_wrap(lon) BETWEEN qserv_wrap(lon_min) AND (CASE WHEN lon_max = 360 THEN 360 ELSE qserv_wrap(lon_max) END)
                OR (lon_max = 360 AND qserv_wrap(lon) = 0) AS INTEGER)
        ELSE CAST(qserv_wrap(lon) >= qserv_wrap(lon_min) OR qserv_wrap(lon) <= qserv_wrap(lon_max) AS INTEGER) END;
CREATE OR REPLACE MACRO scisql_s2PtInCircle(lon, lat, center_lon, center_lat, radius) AS
    CASE WHEN lon IS NULL OR lat IS NULL OR center_lon IS NULL OR center_lat IS NULL OR radius IS NULL THEN 0
    WHEN radius >= 0 AND radius <= 180 AND abs(lat) <= 90 AND abs(center_lat) <= 90 AND isfinite(lon) THEN
        CASE WHEN abs(lat - center_lat) > radius + 1e-9 THEN 0
        ELSE CAST(qserv_vincenty(lon - center_lon, center_lat, lat) <= radius AS INTEGER) END END;
CREATE OR REPLACE MACRO qserv_in_ellipse(dlon, lat, center_lat, major, minor, angle) AS
    (cos(radians(lat)) * cos(radians(center_lat)) * cos(radians(dlon)) + sin(radians(lat)) * sin(radians(center_lat)) > 0)
    AND pow((sin(radians(angle)) * cos(radians(lat)) * sin(radians(dlon))
            + cos(radians(angle)) * (sin(radians(lat - center_lat)) + 2 * sin(radians(center_lat)) * cos(radians(lat)) * pow(sin(radians(dlon) / 2), 2)))
            / radians(major / 3600), 2)
        + pow((cos(radians(angle)) * cos(radians(lat)) * sin(radians(dlon))
            - sin(radians(angle)) * (sin(radians(lat - center_lat)) + 2 * sin(radians(center_lat)) * cos(radians(lat)) * pow(sin(radians(dlon) / 2), 2)))
            / radians(minor / 3600), 2) <= 1;
CREATE OR REPLACE MACRO scisql_s2PtInEllipse(lon, lat, center_lon, center_lat, major, minor, angle) AS
    CASE WHEN lon IS NULL OR lat IS NULL OR center_lon IS NULL OR center_lat IS NULL
        OR major IS NULL OR minor IS NULL OR angle IS NULL THEN 0
    WHEN minor >= 0 AND minor <= major AND major <= 36000 AND abs(lat) <= 90 AND abs(center_lat) <= 90
            AND isfinite(lon) AND isfinite(center_lon) AND isfinite(angle) THEN
        CASE WHEN abs(lat - center_lat) * 3600 > major * 1.01 THEN 0
        ELSE CAST(qserv_in_ellipse(lon - center_lon, lat, center_lat, major, minor, angle) AS INTEGER) END END;

-- The vertices of a convex polygon come in either order, which the side of the third tells: a point is inside when it
-- is on that side of all edges.
CREATE OR REPLACE MACRO qserv_side(lon, lat, lon1, lat1, lon2, lat2) AS
    cos(radians(lat)) * cos(radians(lon)) * (cos(radians(lat1)) * sin(radians(lon1)) * sin(radians(lat2)) - sin(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2)))
    + cos(radians(lat)) * sin(radians(lon)) * (sin(radians(lat1)) * cos(radians(lat2)) * cos(radians(lon2)) - cos(radians(lat1)) * cos(radians(lon1)) * sin(radians(lat2)))
    + sin(radians(lat)) * cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2 - lon1));
CREATE OR REPLACE MACRO qserv_in_polygon(lon, lat, lons, lats) AS
    CASE WHEN lon IS NULL OR lat IS NULL THEN 0 WHEN NOT isfinite(lon) OR NOT abs(lat) <= 90 THEN NULL
    ELSE CAST(list_bool_and(list_transform(range(1, len(lons) + 1), lambda i:
        qserv_side(lon, lat, lons[i], lats[i], lons[i % len(lons) + 1], lats[i % len(lons) + 1])
            * sign(qserv_side(lons[3], lats[3], lons[1], lats[1], lons[2], lats[2])) >= 0)) AS INTEGER) END;

-- AB magnitudes: m = -2.5 log10(f) - 48.6 with f in erg/cm²/s/Hz, which is + 31.4 for f in nJy (Oke & Gunn 1983).
CREATE OR REPLACE MACRO qserv_positive(x) AS CASE WHEN x > 0 AND isfinite(x) THEN x END;
CREATE OR REPLACE MACRO qserv_real(x) AS CASE WHEN isfinite(x) THEN x END;
CREATE OR REPLACE MACRO scisql_fluxToAbMag(flux) AS -2.5::DOUBLE * log10(qserv_positive(flux)) - 48.6::DOUBLE;
CREATE OR REPLACE MACRO scisql_nanojanskyToAbMag(flux) AS -2.5::DOUBLE * log10(qserv_positive(flux)) + 31.4::DOUBLE;
CREATE OR REPLACE MACRO scisql_fluxToAbMagSigma(flux, sigma) AS
    (2.5::DOUBLE / ln(10)) * qserv_real(sigma) / qserv_positive(flux);
CREATE OR REPLACE MACRO scisql_nanojanskyToAbMagSigma(flux, sigma) AS scisql_fluxToAbMagSigma(flux, sigma);
CREATE OR REPLACE MACRO scisql_abMagToFlux(mag) AS pow(10::DOUBLE, -0.4::DOUBLE * (qserv_real(mag) + 48.6::DOUBLE));
CREATE OR REPLACE MACRO scisql_abMagToNanojansky(mag) AS pow(10::DOUBLE, -0.4::DOUBLE * (qserv_real(mag) - 31.4::DOUBLE));
CREATE OR REPLACE MACRO scisql_abMagToFluxSigma(mag, sigma) AS
    qserv_real(sigma) * scisql_abMagToFlux(mag) * (ln(10) / 2.5::DOUBLE);
CREATE OR REPLACE MACRO scisql_abMagToNanojanskySigma(mag, sigma) AS
    qserv_real(sigma) * scisql_abMagToNanojansky(mag) * (ln(10) / 2.5::DOUBLE);
-- Counts (dn) of a detector, with the counts of a source of magnitude 0 (mag0) and sigmas of both.
CREATE OR REPLACE MACRO qserv_flux0() AS pow(10::DOUBLE, -0.4::DOUBLE * 48.6::DOUBLE);
CREATE OR REPLACE MACRO qserv_ratio_sigma(a, a_sigma, b, b_sigma) AS
    sqrt(pow(qserv_real(a_sigma) / b, 2) + pow(a * qserv_real(b_sigma) / (b * b), 2));
CREATE OR REPLACE MACRO qserv_product_sigma(a, a_sigma, b, b_sigma) AS
    sqrt(pow(qserv_real(a_sigma) * b, 2) + pow(a * qserv_real(b_sigma), 2));
CREATE OR REPLACE MACRO scisql_dnToFlux(dn, mag0) AS qserv_flux0() * (qserv_real(dn) / qserv_positive(mag0));
CREATE OR REPLACE MACRO scisql_dnToFluxSigma(dn, dn_sigma, mag0, mag0_sigma) AS
    qserv_flux0() * qserv_ratio_sigma(qserv_real(dn), dn_sigma, qserv_positive(mag0), mag0_sigma);
CREATE OR REPLACE MACRO scisql_dnToAbMag(dn, mag0) AS -2.5::DOUBLE * log10(qserv_positive(dn) / qserv_positive(mag0));
CREATE OR REPLACE MACRO scisql_dnToAbMagSigma(dn, dn_sigma, mag0, mag0_sigma) AS
    (2.5::DOUBLE / ln(10)) * qserv_ratio_sigma(qserv_positive(dn), dn_sigma, qserv_positive(mag0), mag0_sigma)
        / (qserv_positive(dn) / qserv_positive(mag0));
CREATE OR REPLACE MACRO scisql_fluxToDn(flux, mag0) AS (qserv_real(flux) / qserv_flux0()) * qserv_positive(mag0);
CREATE OR REPLACE MACRO scisql_fluxToDnSigma(flux, flux_sigma, mag0, mag0_sigma) AS
    qserv_product_sigma(qserv_real(flux), flux_sigma, qserv_positive(mag0), mag0_sigma) / qserv_flux0();
CREATE OR REPLACE MACRO scisql_abMagToDn(mag, mag0) AS pow(10::DOUBLE, -0.4::DOUBLE * qserv_real(mag)) * qserv_positive(mag0);
CREATE OR REPLACE MACRO scisql_abMagToDnSigma(mag, mag_sigma, mag0, mag0_sigma) AS
    pow(10::DOUBLE, -0.4::DOUBLE * qserv_real(mag))
        * sqrt(pow(qserv_real(mag_sigma) * (ln(10) / 2.5::DOUBLE) * qserv_positive(mag0), 2) + pow(qserv_real(mag0_sigma), 2));
