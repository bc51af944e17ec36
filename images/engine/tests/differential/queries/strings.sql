-- use: synth

-- equality without case, accents and padding
SELECT objectId, name FROM Object WHERE name = 'ALGOL';

-- equality with an accent
SELECT COUNT(*) FROM Object WHERE name = 'arcturus';

-- the empty string is not NULL
SELECT COUNT(*) FROM Object WHERE name = '';

-- LIKE with %
SELECT COUNT(*) FROM Object WHERE name LIKE 'v%';

-- LIKE with _
SELECT COUNT(*) FROM Object WHERE name LIKE 'm_31';

-- LIKE with escaped wildcards
SELECT COUNT(*) FROM Object WHERE name LIKE '50\% off' OR name LIKE 'a\_b';

-- LIKE with an escape of its own
SELECT COUNT(*) FROM Object WHERE name LIKE '50|% off' ESCAPE '|';

-- LIKE heeds trailing spaces
SELECT COUNT(*) FROM Object WHERE name LIKE 'algol';

-- NOT LIKE leaves out NULL
SELECT COUNT(*) FROM Object WHERE name NOT LIKE 'a%';

-- LIKE over a number
SELECT COUNT(*) FROM Object WHERE detections LIKE '1%';

-- a quote and a double quote
SELECT COUNT(*) FROM Object WHERE name = 'O''Neill' OR name = "say \"hi\"";

-- a backslash
SELECT COUNT(*) FROM Object WHERE name = 'back\\slash';

-- comparison of strings by order
SELECT COUNT(*) FROM Object WHERE name > 'm' AND name <= 'VEGA';

-- strings between
SELECT COUNT(*) FROM Object WHERE name BETWEEN 'A' AND 'B';

-- a string as a number
SELECT DISTINCT name + 0 AS n FROM Object WHERE name IN ('10', '9', '2.5e1 mag', 'Vega');

-- a string equal to a number
SELECT COUNT(*) FROM Object WHERE name = 10;

-- CONCAT of strings and numbers
SELECT CONCAT(class, '-', detections, '/', parity) AS tag FROM Object WHERE chunkId = 0;

-- CONCAT with NULL is NULL, CONCAT_WS leaves it out
SELECT CONCAT(class, name) AS a, CONCAT_WS(',', class, name, detections) AS b FROM Object WHERE chunkId = 0;

-- upper and lower case, lengths
SELECT DISTINCT UPPER(name), LOWER(name), LENGTH(name), CHAR_LENGTH(name) FROM Object WHERE name LIKE '%g%';

-- pieces of strings
SELECT DISTINCT BINARY name AS name, SUBSTRING(name, 2, 3) AS a, LEFT(name, 2) AS b, RIGHT(name, 2) AS c, SUBSTR(name, -3) AS d, MID(name, 2) AS e FROM Object;

-- trimming
SELECT DISTINCT BINARY name AS name, LENGTH(TRIM(name)) AS t, LENGTH(RTRIM(name)) AS r, LENGTH(LTRIM(CONCAT('  ', name))) AS l FROM Object;

-- REPLACE, REVERSE, REPEAT
SELECT DISTINCT BINARY name AS name, REPLACE(name, 'a', '-') AS a, REVERSE(name) AS b, REPEAT(name, 2) AS c FROM Object;

-- LPAD and RPAD
SELECT DISTINCT LPAD(detections, 4, '0') AS l, RPAD(detections, 3, '*') AS r FROM Object;

-- LOCATE and INSTR without case
SELECT DISTINCT BINARY name AS name, LOCATE('G', name) AS a, INSTR(name, 'E') AS b, LOCATE('a', name, 2) AS c FROM Object;

-- grouping strings without case
SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS names FROM Object GROUP BY name;

-- DISTINCT of strings without case
SELECT COUNT(*) FROM (SELECT DISTINCT class FROM Object) d;

-- the smallest and the greatest string
SELECT UPPER(MIN(class)), UPPER(MAX(class)) FROM Object;

-- joining on strings without case
SELECT a.objectId, b.objectId FROM Object a JOIN Object b ON a.name = b.name WHERE a.chunkId = 288 AND b.chunkId = 612;

-- CASE over strings
SELECT CASE class WHEN 'GAL' THEN 'galaxy' WHEN 'star' THEN 'star' ELSE 'other' END AS kind, COUNT(*) AS n FROM Object GROUP BY kind;

-- a CHAR column
SELECT class, LENGTH(class) FROM Object WHERE chunkId = 0;

-- binary strings
SELECT objectId, stamp, LENGTH(stamp), HEX(stamp) FROM Object WHERE chunkId = 0;

-- a binary string by a hexadecimal literal
SELECT COUNT(*) FROM Object WHERE stamp > x'8000';

-- STRCMP
SELECT STRCMP('a', 'B'), STRCMP('b', 'A'), STRCMP('a', 'A ');

-- REGEXP without case
SELECT COUNT(*) FROM Object WHERE name REGEXP '^a.*s$';

-- NOT REGEXP
SELECT COUNT(*) FROM Object WHERE name NOT REGEXP '[0-9]';

-- ELT and FIELD
SELECT DISTINCT FIELD(class, 'qso', 'gal', 'star') AS f, ELT(detections, 'one', 'two', 'three') AS e FROM Object WHERE detections < 5;

-- the ASCII of a character, and back
SELECT DISTINCT ASCII(class) AS a, CHAR_LENGTH(class) AS b FROM Object;

-- GROUP_CONCAT in order
SELECT chunkId, GROUP_CONCAT(detections ORDER BY objectId) AS list FROM Object WHERE chunkId < 40 GROUP BY chunkId;

-- GROUP_CONCAT of distinct values with a separator
SELECT GROUP_CONCAT(DISTINCT detections ORDER BY detections DESC SEPARATOR '|') AS list FROM Object;

-- MD5 and the like
SELECT objectId, MD5(objectId) AS m FROM Object WHERE chunkId = 0;

-- DOUBLEs as text, small and large
SELECT CONCAT(1e-5), CONCAT(1.23456789012345e-5), CONCAT(1e-15), CONCAT(1.5e-16), CONCAT(-1.5e-9), CONCAT(1e14), CONCAT(-2.5e15), CONCAT(1234567890123456e0), CONCAT(1e16), CONCAT(1.5e20);

-- FLOATs as text have six digits
SELECT CONCAT(rMag), CAST(rMag AS CHAR), LENGTH(rMag), rMag LIKE '22.79%', LEFT(rMag, 3) FROM Object WHERE decl > 89.5;

-- numbers from base to base
SELECT CONV('ff', 16, 10), CONV('FFz', 16, 2), CONV('-17', 10, 16), CONV('18446744073709551615', 10, 16), CONV('99999999999999999999999', 10, 16), CONV('zz', 10, 2), CONV('', 10, 2), CONV(NULL, 10, 2);

-- columns from base to base
SELECT CONV(objectId, 10, 16), CONV(hits, 10, 2), CONV(name, 36, 10), CONV(parity, 10, 16) FROM Object;

-- texts quoted, by their sound, in base 64
SELECT QUOTE(name), QUOTE(class), SOUNDEX(name), TO_BASE64(name), TO_BASE64(stamp), FROM_BASE64(name), BIT_LENGTH(name) FROM Object;

-- sounds that repeat
SELECT SOUNDEX('Quadratically'), SOUNDEX('Pfister'), SOUNDEX(''), SOUNDEX('12'), SOUNDEX('Tymczak'), SOUNDEX('Ashcraft'), SOUNDEX('bb1bbd');

-- base 64 has lines
SELECT TO_BASE64(REPEAT('abc', 40)), TO_BASE64(REPEAT('abc', 19)), TO_BASE64(''), FROM_BASE64(TO_BASE64(REPEAT('abc', 40))), FROM_BASE64('###');

-- digests of 256 bits
SELECT SHA2('abc', 256), SHA2(name, 0) FROM Object WHERE objectId % 61 = 3;

-- an identifier of its own each time
SELECT LENGTH(UUID()), UUID() = UUID();

-- parts by a pattern
SELECT REGEXP_REPLACE(name, '[aeiou]', '_'), REGEXP_REPLACE(name, '(l)(g)', '\\2\\1'), REGEXP_SUBSTR(name, '[a-e]+') FROM Object;
