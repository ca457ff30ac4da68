-- Statement: balances and lines of accounts.

-- query: balances
SELECT n.name, sum(in_fen), sum(out_fen) FROM (
    SELECT to_account AS account, sum(amount_fen) AS in_fen, 0 AS out_fen FROM postings
    WHERE day <= $until::DATE AND batch <= $batch GROUP BY ALL
    UNION ALL
    SELECT from_account, 0, sum(amount_fen) FROM postings
    WHERE day <= $until::DATE AND batch <= $batch GROUP BY ALL
) JOIN names AS n ON n.id = account GROUP BY n.name ORDER BY n.name;

-- query: names
SELECT name FROM names
WHERE name NOT LIKE 'firm:%' AND name NOT LIKE 'contract:%' AND name NOT LIKE 'programme:%';

-- query: opening
SELECT coalesce(sum(CASE WHEN to_account = n.id THEN amount_fen ELSE -amount_fen END), 0)
FROM postings JOIN names AS n ON n.name = $account
WHERE (to_account = n.id OR from_account = n.id) AND day < $since::DATE;

-- query: lines
WITH line AS (
    SELECT
        p.id, p.batch, p.day::VARCHAR AS day, p.kind::VARCHAR AS kind, o.name AS other,
        substr(i.name, 8) AS instrument, p.agreement,
        CASE WHEN p.to_account = n.id THEN amount_fen ELSE -amount_fen END AS amount_fen
    FROM postings AS p
    JOIN names AS n ON n.name = $account
    JOIN names AS o
        ON o.id = CASE WHEN p.to_account = n.id THEN p.from_account ELSE p.to_account END
    LEFT JOIN names AS i ON i.id = p.instrument
    WHERE (to_account = n.id OR from_account = n.id)
        AND day BETWEEN $since::DATE AND $until::DATE
)
SELECT *, ($opening_fen + sum(amount_fen) OVER (ORDER BY id))::BIGINT FROM line ORDER BY id;

-- query: cash
SELECT substr(n.name, 6), arg_max(b.balance_fen, b.batch)
FROM balances AS b JOIN names AS n ON n.id = b.account
WHERE n.name LIKE 'cash:%' GROUP BY n.name HAVING arg_max(b.balance_fen, b.batch) <> 0
ORDER BY n.name;

-- query: prices
SELECT substr(n.name, 8), arg_max(d.settlement_ticks, d.batch)
FROM instrument_days AS d SEMI JOIN standing AS b ON b.id = d.batch
JOIN names AS n ON n.id = d.instrument
GROUP BY n.name ORDER BY n.name;
