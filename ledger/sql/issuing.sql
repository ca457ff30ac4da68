-- Issuing: applications for vouchers, their current states, and allowed next steps.

-- query: applications
SELECT
    a.id, substr(p.name, 11) AS programme, substr(f.name, 6) AS firm, a.year,
    substr(s.name, 6) AS supplier, a.amount_fen, a.turn, a.state::VARCHAR AS state, a.approved_fen,
    a.worth_fen, coalesce(u.fen, 0) AS used_fen, a.valid_until::VARCHAR AS valid_until, a.reason
FROM application_lives AS a
JOIN names AS p ON p.id = a.programme
JOIN names AS f ON f.id = a.firm
LEFT JOIN names AS s ON s.id = a.supplier_firm
LEFT JOIN (
    SELECT v.application, sum(v.grant_fen - coalesce(e.fen, 0))::BIGINT AS fen
    FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
    LEFT JOIN (SELECT voucher, sum(amount_fen) AS fen FROM freed GROUP BY voucher) AS e
        ON e.voucher = v.id
    WHERE v.application IS NOT NULL GROUP BY v.application
) AS u ON u.application = a.id
ORDER BY a.id;

-- query: apply
INSERT INTO applications
VALUES ($batch, $id, $programme, $version, $firm, $year, $supplier, $fen);

-- query: step
INSERT INTO application_events
VALUES ($batch, $application, $turn, $state::voucher_state, $day, $fen, $until::DATE, $reason);

-- query: steps
SELECT after, rule FROM voucher_steps WHERE life = $life AND before = $before ORDER BY after;

-- query: line
SELECT v.model::VARCHAR, coalesce(arg_max(e.state, e.turn)::VARCHAR, 'none')
FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
LEFT JOIN (SELECT * FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch)
    AS e ON e.voucher = v.id
WHERE v.id = $voucher GROUP BY v.model;
