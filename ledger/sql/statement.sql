-- Statement: balances and lines of the books' accounts.

-- query: balances
SELECT account, sum(in_fen), sum(out_fen) FROM (
    SELECT to_account AS account, amount_fen AS in_fen, 0 AS out_fen FROM postings
    WHERE day <= $until::DATE
    UNION ALL
    SELECT from_account, 0, amount_fen FROM postings WHERE day <= $until::DATE
) GROUP BY account ORDER BY account;

-- query: names
SELECT to_account FROM postings
UNION SELECT from_account FROM postings
UNION SELECT 'cash:' || name FROM accounts;

-- query: opening
SELECT coalesce(sum(CASE WHEN to_account = $account THEN amount_fen ELSE -amount_fen END), 0)
FROM postings
WHERE (to_account = $account OR from_account = $account) AND day < $since::DATE;

-- query: lines
WITH line AS (
    SELECT
        id, batch, day::VARCHAR AS day, kind,
        CASE WHEN to_account = $account THEN from_account ELSE to_account END AS other,
        instrument, agreement,
        CASE WHEN to_account = $account THEN amount_fen ELSE -amount_fen END AS amount_fen
    FROM postings
    WHERE (to_account = $account OR from_account = $account)
        AND day BETWEEN $since::DATE AND $until::DATE
)
SELECT *, ($opening_fen + sum(amount_fen) OVER (ORDER BY id))::BIGINT FROM line ORDER BY id;
