-- use: synth

-- a moment compared with a text
SELECT COUNT(*) FROM Object WHERE firstSeen >= '2026-03-01' AND firstSeen < '2026-04-01 12:00:00';

-- a day compared with a text
SELECT COUNT(*) FROM Object WHERE lastNight = '2026-05-06' OR lastNight > '2028-01-01';

-- BETWEEN days
SELECT COUNT(*) FROM Object WHERE lastNight BETWEEN '2026-02-01' AND '2026-02-28';

-- parts of a moment
SELECT objectId, YEAR(firstSeen) AS y, MONTH(firstSeen) AS m, DAY(firstSeen) AS d, HOUR(firstSeen) AS h, MINUTE(firstSeen) AS mi, SECOND(firstSeen) AS s FROM Object WHERE chunkId < 3;

-- days of the week and the year
SELECT objectId, DAYOFWEEK(lastNight) AS a, WEEKDAY(lastNight) AS b, DAYOFYEAR(lastNight) AS c, QUARTER(lastNight) AS d, DAYNAME(lastNight) AS e, MONTHNAME(lastNight) AS f FROM Object WHERE chunkId < 3;

-- the day of a moment
SELECT DATE(firstSeen) AS night, COUNT(*) AS n FROM Object GROUP BY DATE(firstSeen) HAVING n > 20;

-- moments and times as they are shown
SELECT objectId, firstSeen, lastNight, exposure FROM Object WHERE chunkId < 3;

-- days between
SELECT objectId, DATEDIFF(lastNight, firstSeen) AS days FROM Object WHERE chunkId < 40;

-- moments moved
SELECT objectId, DATE_ADD(firstSeen, INTERVAL 1 DAY) AS a, DATE_SUB(firstSeen, INTERVAL 90 MINUTE) AS b, lastNight + INTERVAL 1 MONTH AS c FROM Object WHERE chunkId < 3;

-- seconds since 1970
SELECT objectId, UNIX_TIMESTAMP(firstSeen) AS t FROM Object WHERE chunkId < 3;

-- moments from seconds
SELECT FROM_UNIXTIME(1767225600), UNIX_TIMESTAMP('2026-01-01 00:00:00');

-- moments in a form of one's own
SELECT objectId, DATE_FORMAT(firstSeen, '%Y-%m-%dT%H:%i:%s') AS iso, DATE_FORMAT(lastNight, '%d.%m.%y %W') AS c FROM Object WHERE chunkId < 3;

-- differences in a unit
SELECT objectId, TIMESTAMPDIFF(HOUR, firstSeen, '2027-06-01 00:00:00') AS hours, TIMESTAMPDIFF(MONTH, lastNight, '2029-01-01') AS months FROM Object WHERE chunkId < 3;

-- literals of dates
SELECT DATE '2026-02-28', TIMESTAMP '2026-02-28 12:34:56', LAST_DAY('2024-02-10'), MAKEDATE(2026, 60);

-- EXTRACT
SELECT EXTRACT(YEAR FROM firstSeen) AS y, COUNT(*) FROM Object GROUP BY y;

-- MJD from a moment
SELECT objectId, 40587 + UNIX_TIMESTAMP(firstSeen) / 86400 AS mjd FROM Object WHERE chunkId < 3;

-- a time compared
SELECT COUNT(*) FROM Object WHERE exposure > '12:30:00';

-- moments ordered with NULL
-- ordered
SELECT objectId, firstSeen FROM Object WHERE chunkId < 40 ORDER BY firstSeen, objectId;

-- days since year 0
SELECT objectId, TO_DAYS(lastNight) AS d FROM Object WHERE chunkId < 3;

-- seconds of the epoch, cut to microseconds
SELECT FROM_UNIXTIME(1.9999999), FROM_UNIXTIME(1.9999999e0), FROM_UNIXTIME(1700000000), FROM_UNIXTIME(1700000000, '%Y-%m-%dT%H:%i:%s');

-- a modified Julian day as a time
SELECT sourceId, FROM_UNIXTIME((midPoint - 40587) * 86400) AS t, SEC_TO_TIME(ROUND(MOD(midPoint, 1) * 86400)) AS ut FROM Source WHERE objectId = 433327840428102;

-- a panel's time buckets
SELECT UNIX_TIMESTAMP(firstSeen) DIV 86400 * 86400 AS "time", COUNT(*) AS value FROM Object WHERE firstSeen BETWEEN FROM_UNIXTIME(1767000000) AND FROM_UNIXTIME(1769000000) GROUP BY 1 ORDER BY 1;

-- days and intervals added
SELECT DATE('2026-01-31') + INTERVAL 1 MONTH, ADDDATE('2026-01-31', 31), SUBDATE('2026-01-31', INTERVAL 1 WEEK), ADDDATE('2026-01-31', INTERVAL 2 HOUR), TIMESTAMPADD(MINUTE, 5, '2026-11-24 10:00:00'), FROM_DAYS(740000);

-- a time compared with a whole number
SELECT COUNT(*) FROM Object WHERE firstSeen > 20260601120000 OR firstSeen BETWEEN 20260201 AND 260301;

-- weeks by all modes
SELECT WEEK(lastNight, 0), WEEK(lastNight, 1), WEEK(lastNight, 2), WEEK(lastNight, 3), WEEK(lastNight, 5), WEEK(lastNight, 7) FROM Object;

-- weeks with their years
SELECT YEARWEEK(lastNight), YEARWEEK(lastNight, 1), YEARWEEK(lastNight, 2), YEARWEEK(lastNight, 3), YEARWEEK(firstSeen) FROM Object;

-- the last week of a year
SELECT WEEK('2008-12-31', 1), WEEK('2012-12-31', 1), WEEK('2024-12-30', 1), WEEK('2016-01-01', 1), YEARWEEK('2017-01-01'), YEARWEEK('2016-01-01', 1);

-- periods
SELECT PERIOD_ADD(202601, 2), PERIOD_ADD(9812, -13), PERIOD_ADD(6912, 1), PERIOD_DIFF(202601, 202512), PERIOD_DIFF(9802, 199703);

-- periods of columns
SELECT EXTRACT(YEAR_MONTH FROM lastNight) AS ym, PERIOD_DIFF(MAX(EXTRACT(YEAR_MONTH FROM firstSeen)), 202501), COUNT(*) FROM Object GROUP BY ym;

-- times out of parts, and seconds since the year 0
SELECT MAKETIME(12, 15, 30), MAKETIME(1, 60, 0), MAKETIME(detections % 24, 3, 4), TO_SECONDS(lastNight), TO_SECONDS(firstSeen) FROM Object;

-- the later of a time and a text
SELECT GREATEST(firstSeen, '2026-01-01') AS a, GREATEST(lastNight, '2026-01-01') AS b, LEAST(lastNight, firstSeen) AS c, GREATEST(exposure, '12:00:00') AS d, GREATEST(lastNight, 20260601) AS e, LEAST(firstSeen, NULL) AS f FROM Object WHERE decl > 89.5;

-- texts that are dates with times
SELECT STR_TO_DATE('2026-06-05 10:11', '%Y-%m-%d %H:%i') AS a, STR_TO_DATE('05/06/2026 10:11:12', '%d/%m/%Y %H:%i:%s') AS b, STR_TO_DATE('05/06/2026', '%d/%m/%Y') AS c, STR_TO_DATE('x', '%d/%m/%Y %H') AS d;

-- times plus and minus times
SELECT ADDTIME(exposure, '00:00:01') AS a, SUBTIME(firstSeen, '23:30:00.25') AS b, ADDTIME('2026-01-01 10:00:00', '15:30:00') AS c, SUBTIME('10:00:00', '01:30:00') AS d, ADDTIME(NULL, '01:00:00') AS e FROM Object WHERE decl > 89.5 AND exposure < '23:00:00';

-- intervals of two units
SELECT firstSeen + INTERVAL '1 2' DAY_HOUR AS a, firstSeen - INTERVAL '1:30' MINUTE_SECOND AS b, lastNight + INTERVAL '1-2' YEAR_MONTH AS c, lastNight + INTERVAL '1:0:0' HOUR_SECOND AS d, firstSeen + INTERVAL '-1.5' SECOND_MICROSECOND AS e, DATE_SUB('2026-03-31', INTERVAL '1-1' YEAR_MONTH) AS f, DATE_ADD('2026-03-31', INTERVAL '5' DAY_MINUTE) AS g FROM Object WHERE decl > 89.5;

-- the time of a day in a format
SELECT TIME_FORMAT(exposure, '%H-%i %h %p %l %k %T %r %%') AS a, TIME_FORMAT(firstSeen, '%H:%i') AS b, TIME_FORMAT('10:11:12.5', '%s.%f') AS c FROM Object WHERE decl > 89.5;

-- moments of so many digits, whole seconds among them
SELECT objectId, measured, filed, delay, firstSeen FROM Object WHERE chunkId < 3;

-- the first and the last of moments with digits
SELECT MIN(measured) AS a, MAX(filed) AS b, MIN(delay) AS c, MAX(delay) AS d, MAX(firstSeen) AS e FROM Object;

-- moments with digits as text
SELECT objectId, CONCAT(measured, '') AS a, CAST(filed AS CHAR) AS b, CONCAT('+', delay) AS c FROM Object WHERE chunkId < 3;

-- moments with digits moved
SELECT objectId, measured + INTERVAL 1 DAY AS a, filed - INTERVAL 2 HOUR AS b, lastNight + INTERVAL 5 MINUTE AS c FROM Object WHERE chunkId < 3;

-- one of two moments with other digits
SELECT objectId, COALESCE(firstSeen, measured) AS a, IF(parity > 0, filed, measured) AS b, GREATEST(filed, firstSeen) AS c FROM Object WHERE chunkId < 3;

-- digits that a conversion keeps
SELECT objectId, CAST(measured AS DATETIME) AS a, CAST(filed AS DATETIME(1)) AS b, CAST(delay AS TIME) AS c, CAST(measured AS DATETIME(6)) AS d FROM Object WHERE chunkId < 3;

-- moments with digits in a union
SELECT filed AS t FROM Object WHERE chunkId < 2 UNION ALL SELECT measured FROM Object WHERE chunkId < 2;

-- groups and order by moments with digits
SELECT filed, COUNT(*) AS n FROM Object GROUP BY filed HAVING n > 1 ORDER BY filed DESC LIMIT 20;

-- a subquery of moments with digits
SELECT t, u FROM (SELECT objectId, MAX(measured) AS t, MIN(delay) AS u FROM Object WHERE chunkId < 3 GROUP BY objectId) AS q;

-- moments of texts and of times that are added
SELECT TIMESTAMP('2026-01-01 10:00:00.5') AS a, TIMESTAMP('2026-01-01') AS b, TIMESTAMP(measured, '01:00:00') AS c, TIMESTAMP(lastNight, '00:00:00.25') AS d, TIMESTAMP(filed) AS e FROM Object WHERE chunkId < 3;
