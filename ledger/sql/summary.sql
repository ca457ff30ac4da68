-- Summary: a settled day by account.

-- query: account_days
WITH span AS (SELECT min(id) AS first, max(id) AS last FROM batches WHERE day = $day::DATE),
side AS (
    SELECT
        t.buyer AS account, t.quantity AS bought,
        t.price_ticks::BIGINT * t.quantity * i.tick_fen AS bought_fen,
        0 AS sold, 0 AS sold_fen, t.buyer_fee_fen AS fee_fen
    FROM trades AS t JOIN instruments AS i ON i.batch = t.batch AND i.id = t.instrument
    WHERE t.batch = (SELECT first FROM span)
    UNION ALL
    SELECT
        t.seller, 0, 0, t.quantity, t.price_ticks::BIGINT * t.quantity * i.tick_fen,
        t.seller_fee_fen
    FROM trades AS t JOIN instruments AS i ON i.batch = t.batch AND i.id = t.instrument
    WHERE t.batch = (SELECT first FROM span)
),
traded AS (
    SELECT
        account, sum(bought) AS bought, sum(bought_fen) AS bought_fen, sum(sold) AS sold,
        sum(sold_fen) AS sold_fen, sum(fee_fen) AS fees_fen
    FROM side GROUP BY account
),
paid AS (
    SELECT to_account AS account, sum(amount_fen) AS vouchers_fen
    FROM postings
    WHERE kind IN ('voucher', 'claim') AND batch BETWEEN (SELECT first FROM span)
        AND (SELECT last FROM span)
    GROUP BY 1
),
balances AS (
    SELECT account, sum(amount_fen) AS balance_fen FROM (
        SELECT to_account AS account, amount_fen FROM postings
        WHERE batch <= (SELECT last FROM span)
        UNION ALL
        SELECT from_account, -amount_fen FROM postings WHERE batch <= (SELECT last FROM span)
    ) GROUP BY account
)
SELECT
    a.name, a.role, f.name, coalesce(t.bought, 0)::BIGINT, coalesce(t.bought_fen, 0)::BIGINT,
    coalesce(t.sold, 0)::BIGINT, coalesce(t.sold_fen, 0)::BIGINT,
    coalesce(t.fees_fen, 0)::BIGINT, coalesce(p.vouchers_fen, 0)::BIGINT,
    coalesce(c.balance_fen, 0)::BIGINT, coalesce(-r.balance_fen, 0)::BIGINT
FROM accounts AS a
JOIN firms AS f ON f.batch = a.batch AND f.id = a.firm
LEFT JOIN traded AS t ON t.account = a.id
LEFT JOIN paid AS p ON p.account = 'cash:' || a.name
LEFT JOIN balances AS c ON c.account = 'cash:' || a.name
LEFT JOIN balances AS r ON r.account = 'receivable:' || a.name
WHERE a.batch = (SELECT first FROM span)
ORDER BY a.name;
