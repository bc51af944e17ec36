-- use: synth

-- digests, quotes, bases
SELECT objectId, QUOTE(name), CONV(flags, 10, 36), CONV(name, 36, 10), CONV(parity, 10, 16), SHA2(name, 256), MD5(stamp), SHA1(stamp) FROM Object WHERE objectId % 7 = 3

-- base 64, of rows and of long texts
SELECT objectId, TO_BASE64(name), TO_BASE64(stamp), FROM_BASE64(TO_BASE64(stamp)), TO_BASE64(REPEAT(name, 30)), FROM_BASE64(name) FROM Object WHERE objectId % 7 = 3

-- base 64, whole lines and what is none
SELECT TO_BASE64(REPEAT('x', 57)) a, TO_BASE64('') b, FROM_BASE64('YW Jj') c, FROM_BASE64('YWJ') d, FROM_BASE64(TO_BASE64(REPEAT('xyz', 100))) e

-- bases at their bounds
SELECT CONV('FFz', 16, 2) a, CONV('', 10, 2) b, CONV('zz', 10, 2) c, CONV('-17', 10, 36) d, CONV('zzzzzzzzzzzzzzzzzzzz', 36, 10) e, CONV(12.7, 10, 2) f, CONV(NULL, 10, 2) g, CONV(0, 10, 2) h

-- how names sound
SELECT objectId, SOUNDEX(name), name SOUNDS LIKE 'vaga' FROM Object

-- how words sound
SELECT SOUNDEX('Robert') a, SOUNDEX('Quadratically') b, SOUNDEX('Pfister') c, SOUNDEX('  tymczak') d, SOUNDEX('Ashcraft') e, SOUNDEX('äpfel') f, SOUNDEX('aeiou') g, SOUNDEX('12') h, SOUNDEX(NULL) i, SOUNDEX('BBBB') j

-- a name for each row
SELECT COUNT(DISTINCT UUID()), MIN(LENGTH(UUID())) FROM Object WHERE decl > 88

-- weeks by all modes
SELECT objectId, WEEK(lastNight), WEEK(lastNight, 0), WEEK(lastNight, 1), WEEK(lastNight, 2), WEEK(lastNight, 3), WEEK(lastNight, 4), WEEK(lastNight, 5), WEEK(lastNight, 6), WEEK(lastNight, 7) FROM Object

-- weeks with their years
SELECT objectId, YEARWEEK(lastNight), YEARWEEK(lastNight, 1), YEARWEEK(lastNight, 2), YEARWEEK(lastNight, 3), YEARWEEK(lastNight, 4), YEARWEEK(lastNight, 5) FROM Object

-- weeks of three decades
SELECT objectId, WEEK(DATE_ADD('1999-12-20', INTERVAL flags * 9 DAY), 0), WEEK(DATE_ADD('1999-12-20', INTERVAL flags * 9 DAY), 5), YEARWEEK(DATE_ADD('1999-12-20', INTERVAL flags * 9 DAY), 1) FROM Object

-- times made and compared
SELECT objectId, TIMEDIFF(exposure, MAKETIME(0, MINUTE(exposure), 0)), TO_SECONDS(firstSeen), TIMESTAMP(lastNight, exposure), TIMEDIFF(firstSeen, DATE_SUB(firstSeen, INTERVAL flags MINUTE)), MAKETIME(1, detections + 30, 0) FROM Object

-- whole months between times
SELECT objectId, TIMESTAMPDIFF(MONTH, firstSeen, lastNight), TIMESTAMPDIFF(YEAR, firstSeen, lastNight), TIMESTAMPDIFF(QUARTER, lastNight, firstSeen) FROM Object

-- whole months at the ends of months
SELECT TIMESTAMPDIFF(MONTH, '2020-01-31', '2020-02-29') a, TIMESTAMPDIFF(MONTH, '2020-03-30', '2020-01-31') b, TIMESTAMPDIFF(YEAR, '2020-02-29', '2021-02-28') c, CAST(20200131 AS DATE) d, YEAR('20200131') e

-- periods
SELECT objectId, PERIOD_ADD(202001, parity), PERIOD_DIFF(202001, 201901 + flags % 12), PERIOD_ADD(6912, 1), PERIOD_DIFF(9801, 9712) FROM Object WHERE parity IS NOT NULL

-- thousands
SELECT objectId, FORMAT(score, 2), FORMAT(flags * 1000, 0), FORMAT(hits, 1), FORMAT(gFlux, 3), FORMAT(12345678901234567890.129, 2), FORMAT(2.5e0, 0) FROM Object

-- a text beside a number is one in GREATEST
SELECT objectId, GREATEST(name, detections), LEAST(score, '1'), GREATEST('10', 2), NVL2(class, detections, 0.5), NVL2(parity, name, 'none') FROM Object

-- first bytes and characters
SELECT objectId, ASCII(name), ORD(name), BIT_LENGTH(name), BIT_LENGTH(stamp), OCTET_LENGTH(stamp), ORD('€'), ASCII('ä') FROM Object

-- padding with blanks and with nothing
SELECT LPAD('a', 3) a, RPAD('a', 3) b, LPAD('abc', 5, '') c, LPAD('abc', 2, '') d, UNHEX('zz') e, UNHEX('4142') f, FIND_IN_SET(NULL, 'a') g, FIND_IN_SET('', '') h, FIND_IN_SET('B', 'a,b') i

-- patterns that replace and cut out
SELECT objectId, REGEXP_REPLACE(name, 'A', '<>'), REGEXP_SUBSTR(name, '[a-e]+'), name REGEXP BINARY 'A' FROM Object;

-- sets of bits as texts
SELECT MAKE_SET(detections, 'a', 'b', NULL, 'd') AS a, EXPORT_SET(detections, 'Y', 'N', ',', 6) AS b, EXPORT_SET(parity, '1', '0', '', 8) AS c, MAKE_SET(parity, name) AS d FROM Object WHERE decl > 89;

-- addresses as numbers
SELECT INET_ATON('10.0.5.9') AS a, INET_NTOA(167773449) AS b, INET_ATON('300.1.1.1') AS c, INET_NTOA(-1) AS d, INET_ATON(NULL) AS e, INET_NTOA(flags * 65536 + detections) AS f FROM Object WHERE decl > 89.8;

-- where a pattern is found
SELECT name, REGEXP_INSTR(name, 'a') AS a, REGEXP_INSTR(name, '^[vm]') AS b, REGEXP_INSTR(name, 'l|r') AS c, REGEXP_INSTR(name, '[0-9]+$') AS d FROM Object WHERE decl > 89;
