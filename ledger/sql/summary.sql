-- Summary: a settled day by account.

-- query: account_days
WITH own AS (SELECT id FROM standing WHERE day = $day::DATE),
first AS (SELECT max(id) AS id FROM standing WHERE day = $day::DATE AND kind = 'settlement'),
side AS (
    SELECT
        p.account, sum(p.bought) AS bought, sum(p.bought_fen) AS bought_fen, sum(p.sold) AS sold,
        sum(p.sold_fen) AS sold_fen
    FROM positions AS p WHERE p.batch = (SELECT id FROM first) GROUP BY p.account
),
fees AS (
    SELECT account, sum(fen) AS fees_fen FROM (
        SELECT buyer AS account, sum(buyer_fee_fen) AS fen FROM trades
        WHERE batch = (SELECT id FROM first) GROUP BY ALL
        UNION ALL
        SELECT seller, sum(seller_fee_fen) FROM trades
        WHERE batch = (SELECT id FROM first) GROUP BY ALL
        UNION ALL
        SELECT buyer, -sum(buyer_fee_fen) FROM busts
        WHERE batch = (SELECT id FROM first) GROUP BY ALL
        UNION ALL
        SELECT seller, -sum(seller_fee_fen) FROM busts
        WHERE batch = (SELECT id FROM first) GROUP BY ALL
    ) GROUP BY account
),
paid AS (
    SELECT to_account AS account, sum(amount_fen) AS vouchers_fen
    FROM postings SEMI JOIN own ON own.id = postings.batch
    WHERE kind IN ('voucher', 'claim') GROUP BY 1
),
closing AS (
    SELECT n.name, arg_max(b.balance_fen, b.batch) AS balance_fen
    FROM balances AS b JOIN names AS n ON n.id = b.account
    WHERE b.batch <= (SELECT max(id) FROM own) GROUP BY n.name
)
SELECT
    a.name, a.role, f.name, coalesce(t.bought, 0)::BIGINT, coalesce(t.bought_fen, 0)::BIGINT,
    coalesce(t.sold, 0)::BIGINT, coalesce(t.sold_fen, 0)::BIGINT,
    coalesce(e.fees_fen, 0)::BIGINT, coalesce(p.vouchers_fen, 0)::BIGINT,
    coalesce(c.balance_fen, 0)::BIGINT, coalesce(-r.balance_fen, 0)::BIGINT
FROM accounts AS a
JOIN firms AS f ON f.batch = a.batch AND f.firm = a.firm
LEFT JOIN side AS t ON t.account = a.account
LEFT JOIN fees AS e ON e.account = a.number
LEFT JOIN paid AS p ON p.account = a.account
LEFT JOIN closing AS c ON c.name = 'cash:' || a.name
LEFT JOIN closing AS r ON r.name = 'receivable:' || a.name
WHERE a.batch = (SELECT id FROM first)
ORDER BY a.name;
