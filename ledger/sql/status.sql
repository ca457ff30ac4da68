-- Status: whether a day is settled, and what is open in the books.

-- query: status
SELECT
    EXISTS (FROM standing WHERE day = $day::DATE AND kind = 'settlement') AS settled,
    (SELECT max(day)::VARCHAR FROM standing WHERE kind = 'settlement') AS last_settled_day,
    (SELECT count(*) FROM open_positions) AS open_positions,
    (SELECT count(*) FROM nominations AS n SEMI JOIN standing AS b ON b.id = n.batch
        ANTI JOIN (SELECT agreement FROM deliveries SEMI JOIN standing AS b
            ON b.id = deliveries.batch) AS d ON d.agreement = n.agreement) AS lines_to_deliver,
    (SELECT count(*) FROM (
        SELECT voucher FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch
        GROUP BY voucher HAVING bool_or(state = 'claimed')
            AND arg_max(state, turn) IN ('claimed', 'reduced')
    )) AS claims_waiting,
    coalesce((SELECT -sum(fen)::BIGINT FROM (
        SELECT arg_max(balance_fen, batch) AS fen FROM balances
        JOIN (SELECT id, name FROM names) AS n ON n.id = account
        WHERE n.name LIKE 'receivable:%' GROUP BY account
    )), 0) AS receivables_fen;

-- Money in escrow of delivery days before $day, by day, with the reason why it is still there.
-- query: overdue
WITH hours AS (
    SELECT instrument, any_value(delivery_day) AS delivery_day FROM instruments GROUP BY instrument
),
waiting AS (
    SELECT n.* FROM nominations AS n SEMI JOIN standing AS b ON b.id = n.batch
    ANTI JOIN (SELECT agreement FROM deliveries SEMI JOIN standing AS b ON b.id = deliveries.batch)
        AS d ON d.agreement = n.agreement
)
SELECT h.delivery_day::VARCHAR AS day, 'not nominated' AS reason,
    sum(p.quantity)::BIGINT AS lots, sum(p.quantity * p.price_ticks * p.tick_fen)::BIGINT AS fen
FROM open_positions AS p JOIN hours AS h ON h.instrument = p.instrument
WHERE p.quantity > 0 AND h.delivery_day < $day::DATE GROUP BY h.delivery_day
UNION ALL
SELECT a.delivery_day::VARCHAR, 'not metered', sum(w.quantity)::BIGINT, sum(w.value_fen)::BIGINT
FROM waiting AS w JOIN agreements AS a ON a.id = w.agreement
WHERE a.delivery_day < $day::DATE GROUP BY a.delivery_day
ORDER BY ALL;
