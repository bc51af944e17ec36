-- use: synth

-- a number
SELECT 1;

-- aliases and strings
SELECT 1 AS one, 'two' AS `the second`, 3.5 three;

-- names of columns are what was written
SELECT 1 + 1, ABS(-3), 'text', 2 * (3 + 4);

-- strings side by side
SELECT 'a' 'b', CONCAT('x', 'y'), "double";

-- functions of nothing
SELECT ROUND(PI(), 9), DATABASE(), 1 IS NULL, NULL IS NULL;

-- conditions
SELECT IF(1 > 2, 'yes', 'no'), CASE 3 WHEN 3 THEN 'three' END, COALESCE(NULL, 'x');

-- WHERE without FROM
SELECT 1 AS one FROM DUAL WHERE 1 = 1;

-- hexadecimal and binary literals
SELECT x'41', 0x42, b'1000001' + 0, HEX(255);

-- separation of two places
SELECT scisql_angSep(0, 0, 0, 1), scisql_angSep(359.9, 0, 0.1, 0), scisql_angSep(0, 90, 180, 90), scisql_angSep(10, 20, 10, 20);

-- points in regions
SELECT scisql_s2PtInBox(0, 0, 350, -10, 10, 10), scisql_s2PtInCircle(0, 89.9, 180, 89.9, 0.3), scisql_s2PtInCircle(0, 0, 1, 0, 0.5);

-- comparisons of strings
SELECT 'abc' = 'ABC', 'abc' = 'abc ', 'é' = 'E', 'abc' LIKE 'ABC', BINARY 'a' = 'A', 'ß' = 's';

-- strings as numbers
SELECT '3' + 4, '3abc' * 2, 'abc' + 1, '1e2' + 0, '5' / '2', '7' DIV 2;

-- TRUE and FALSE
SELECT TRUE, FALSE, NOT TRUE, TRUE + TRUE;

-- a user-less union
SELECT 1 AS n UNION SELECT 2 UNION SELECT 2;

-- a subquery without tables
SELECT (SELECT 5) + 1 AS six, (SELECT MAX(n) FROM (SELECT 3 AS n UNION SELECT 4) t) AS four;

-- a sign right after an exponent
SELECT 0.1e0+0.2e0, 1e0+1*2, 2.5E3-0.5, '1e0+1';

-- strings with a character set
SELECT N'text', _utf8mb4'abc';

-- bounds that a number reaches
SELECT INTERVAL(NULL, 1, 2), INTERVAL(2.5, 1, 2, 3), INTERVAL(2, NULL, 3);
