-- Export: each batch's postings summed by kind, accounts and instrument, and balances before and
-- after.

-- query: netted
SELECT day::VARCHAR, batch, kind::VARCHAR, from_account, to_account, coalesce(instrument, ''),
    sum(amount_fen)::BIGINT
FROM journal WHERE $day IS NULL OR day = $day::DATE
GROUP BY ALL ORDER BY batch, 3, 6, 4, 5;

-- query: closing
SELECT name, sum(fen)::BIGINT FROM (
    SELECT to_account AS name, amount_fen AS fen FROM journal WHERE day <= $day::DATE
    UNION ALL SELECT from_account, -amount_fen FROM journal WHERE day <= $day::DATE
) GROUP BY name ORDER BY name;

-- query: opening
SELECT name, sum(fen)::BIGINT FROM (
    SELECT to_account AS name, amount_fen AS fen FROM journal WHERE day < $day::DATE
    UNION ALL SELECT from_account, -amount_fen FROM journal WHERE day < $day::DATE
) GROUP BY name HAVING sum(fen) <> 0 ORDER BY name;
