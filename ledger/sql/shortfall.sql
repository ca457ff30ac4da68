-- Shortfalls: quantities found missing after the delivery, and subsidies that depend on them.

-- A delivered line with the sum of earlier findings.
-- query: lines
SELECT d.agreement, d.instrument, d.nominated, n.value_fen, d.delivered_millionths,
    coalesce(s.lost, 0)::BIGINT, a.buyer, a.supplier, c.penalty_bp
FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch
JOIN (SELECT * FROM nominations SEMI JOIN standing AS b ON b.id = nominations.batch) AS n
    ON n.agreement = d.agreement AND n.instrument = d.instrument
JOIN agreements AS a ON a.id = d.agreement
JOIN (SELECT contract, arg_max(penalty_bp, batch) AS penalty_bp FROM contracts GROUP BY contract)
    AS c ON c.contract = a.contract
LEFT JOIN (SELECT agreement, instrument, sum(lost_millionths) AS lost FROM shortfalls
    SEMI JOIN standing AS b ON b.id = shortfalls.batch GROUP BY ALL) AS s
    ON s.agreement = d.agreement AND s.instrument = d.instrument
WHERE list_contains($agreements, d.agreement);

-- query: write
INSERT INTO shortfalls
SELECT $batch, finding, agreement, instrument, chip, gpus, available_s, lost, refund, penalty
FROM columns;

-- Consumed, paid or claimed subsidies of agreements, with the agreements' value at payment and now.
-- The parameter for the batch is the batch of findings that is being written.
-- query: subsidies
WITH life AS (
    SELECT e.voucher, max(e.turn) AS turn, arg_max(e.state, e.turn)::VARCHAR AS state,
        max(e.amount_fen) FILTER (e.state IN ('consumed', 'paid', 'claimed')) AS claimed_fen,
        max(e.amount_fen) FILTER (e.state IN ('consumed', 'paid')) AS paid_fen,
        max(e.batch) FILTER (e.state IN ('consumed', 'paid')) AS paid_in,
        max(e.turn) FILTER (e.state = 'claimed') AS claimed_at
    FROM voucher_events AS e SEMI JOIN standing AS b ON b.id = e.batch GROUP BY e.voucher
),
lost AS (
    SELECT batch, agreement, sum(refund_fen) AS fen FROM shortfalls
    WHERE batch = $batch OR batch IN (SELECT id FROM standing) GROUP BY ALL
)
SELECT
    v.id, v.agreement, a.buyer, v.programme, v.version, l.turn, l.state,
    coalesce(l.paid_fen, l.claimed_fen) AS base_fen,
    coalesce((SELECT sum(amount_fen) FROM voucher_events AS e SEMI JOIN standing AS b
        ON b.id = e.batch WHERE e.voucher = v.id AND (e.state = 'clawed-back'
        OR (l.paid_fen IS NULL AND e.state = 'reduced' AND e.turn > l.claimed_at))), 0)::BIGINT
        AS gone_fen,
    ((SELECT sum(value_fen) FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch
        WHERE d.agreement = v.agreement) - coalesce((SELECT sum(fen) FROM lost
        WHERE lost.agreement = v.agreement AND lost.batch <= l.paid_in), 0))::BIGINT AS then_fen,
    ((SELECT sum(value_fen) FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch
        WHERE d.agreement = v.agreement)
        - (SELECT sum(fen) FROM lost WHERE lost.agreement = v.agreement))::BIGINT AS now_fen
FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
JOIN life AS l ON l.voucher = v.id
JOIN agreements AS a ON a.id = v.agreement
WHERE list_contains($agreements, v.agreement)
    AND l.state IN ('consumed', 'paid', 'claimed', 'reduced', 'clawed-back')
ORDER BY v.id;

-- query: funders
SELECT pool, weight FROM funders
WHERE programme = $programme AND version = $version
    AND batch = (SELECT max(batch) FROM funders WHERE programme = $programme AND version = $version)
ORDER BY turn;

-- Yearly grants of suppliers that counted an agreement: payments of each funder, the remaining
-- amount, and the supplier's contract amounts at the share-out and now.
-- query: share_outs
WITH counted AS (
    SELECT s.batch, s.programme, s.supplier, sum(s.value_fen)::BIGINT AS then_fen,
        sum(s.value_fen - coalesce(l.fen, 0))::BIGINT AS now_fen,
        bool_or(list_contains($agreements, s.agreement)) AS touched
    FROM supplier_agreements AS s SEMI JOIN standing AS b ON b.id = s.batch
    LEFT JOIN LATERAL (
        SELECT sum(refund_fen) AS fen FROM shortfalls AS l
        WHERE l.agreement = s.agreement AND l.batch > s.batch
            AND (l.batch = $batch OR l.batch IN (SELECT id FROM standing))
    ) AS l ON true
    GROUP BY ALL
)
SELECT g.programme, g.version, g.year, g.supplier, g.pool, max(g.grant_fen) AS paid_fen,
    sum(g.grant_fen)::BIGINT AS left_fen, c.then_fen, c.now_fen, max(g.want_fen) AS want_fen
FROM supplier_grants AS g SEMI JOIN standing AS b ON b.id = g.batch
JOIN counted AS c ON c.programme = g.programme AND c.supplier = g.supplier AND c.touched
JOIN batches AS o ON o.id = c.batch AND split_part(o.input_sha256, ':', 2) = g.year::VARCHAR
GROUP BY ALL ORDER BY g.programme, g.year, g.supplier, g.pool;
