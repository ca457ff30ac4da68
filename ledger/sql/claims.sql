-- Claims: those that wait for redemption, and amounts that firms have redeemed.

-- A claim waits with its claimed amount, less later reductions by shortfalls.
-- query: waiting
WITH life AS (
    SELECT voucher, max(turn) AS turn, arg_max(state, turn) AS state,
        max(turn) FILTER (state = 'claimed') AS claimed_at
    FROM voucher_events
    WHERE batch IN (SELECT id FROM standing)
    GROUP BY voucher
    HAVING claimed_at IS NOT NULL AND arg_max(state, turn) IN ('claimed', 'reduced')
)
SELECT
    v.id AS voucher, v.agreement, a.buyer, a.supplier, v.programme, v.version, v.firm,
    date_diff('day', DATE '1970-01-01', a.delivery_day) AS delivery_day,
    sum(CASE WHEN e.state = 'claimed' THEN e.amount_fen ELSE -e.amount_fen END)::BIGINT
        AS amount_fen, l.turn
FROM life AS l
JOIN vouchers AS v ON v.id = l.voucher
JOIN agreements AS a ON a.id = v.agreement
JOIN voucher_events AS e ON e.voucher = v.id AND e.turn >= l.claimed_at
    AND e.batch IN (SELECT id FROM standing)
WHERE v.batch IN (SELECT id FROM standing)
GROUP BY ALL
ORDER BY v.id;

-- Redeemed amounts by the year of the redemption.
-- query: redeemed
SELECT v.programme, v.firm, year(e.day), sum(e.amount_fen)::BIGINT
FROM voucher_events AS e JOIN vouchers AS v ON v.id = e.voucher
WHERE e.state = 'redeemed' AND e.batch IN (SELECT id FROM standing)
GROUP BY ALL;
