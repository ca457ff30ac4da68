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
