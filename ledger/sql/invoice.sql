-- Invoice: deliveries of a buyer with programmes' payments, origin of a posting, and receivables.

-- query: lines
WITH delivered AS (
    SELECT agreement, sum(value_fen) AS fen FROM deliveries
    SEMI JOIN standing AS b ON b.id = deliveries.batch GROUP BY agreement
),
lost AS (
    SELECT agreement, sum(refund_fen) AS fen FROM shortfalls
    SEMI JOIN standing AS b ON b.id = shortfalls.batch GROUP BY agreement
),
paid AS (
    SELECT v.agreement, sum(s.amount_fen) AS fen FROM voucher_shares AS s
    SEMI JOIN standing AS b ON b.id = s.batch
    JOIN vouchers AS v ON v.id = s.voucher GROUP BY v.agreement
)
SELECT
    a.id, substr(s.name, 6), substr(c.name, 10), a.delivery_day::VARCHAR,
    (d.fen - coalesce(l.fen, 0))::BIGINT, coalesce(p.fen, 0)::BIGINT
FROM delivered AS d
JOIN agreements AS a ON a.id = d.agreement
JOIN names AS n ON n.id = a.buyer AND n.name = $account
JOIN names AS s ON s.id = a.supplier
JOIN names AS c ON c.id = a.contract
LEFT JOIN lost AS l ON l.agreement = a.id
LEFT JOIN paid AS p ON p.agreement = a.id
WHERE a.delivery_day BETWEEN $since::DATE AND $until::DATE
ORDER BY a.id;

-- query: fees
SELECT coalesce(sum(CASE WHEN from_account = $account THEN amount_fen ELSE -amount_fen END), 0)
    ::BIGINT
FROM journal SEMI JOIN standing AS b ON b.id = journal.batch
WHERE kind IN ('fee', 'fee-refund') AND $account IN (from_account, to_account)
    AND day BETWEEN $since::DATE AND $until::DATE;

-- query: posting
SELECT j.id AS posting, j.batch, b.kind::VARCHAR AS batch_kind, j.day::VARCHAR AS day,
    b.revision, b.input_sha256, j.kind::VARCHAR AS kind, j.from_account, j.to_account,
    j.amount_fen, j.instrument, j.agreement, j.sequence AS command
FROM journal AS j JOIN batches AS b ON b.id = j.batch WHERE j.id = $posting;

-- query: trades
SELECT t.trade_id, t.sequence AS command, t.price_ticks, t.quantity,
    b.name AS buyer, s.name AS seller, t.buyer_fee_fen, t.seller_fee_fen,
    t.buyer_session, t.buyer_ref, t.seller_session, t.seller_ref
FROM trades AS t
JOIN instruments AS i ON i.batch = t.batch AND i.number = t.instrument
JOIN accounts AS b ON b.batch = t.batch AND b.number = t.buyer
JOIN accounts AS s ON s.batch = t.batch AND s.number = t.seller
WHERE t.batch = $batch AND i.symbol = $instrument
    AND (list_contains($accounts, 'cash:' || b.name) OR list_contains($accounts, 'cash:' || s.name))
ORDER BY t.trade_id;

-- query: deliveries
SELECT substr(n.name, 8) AS instrument, d.nominated, d.delivered_millionths,
    d.source::VARCHAR AS source, d.value_fen, d.refund_fen, d.fee_fen, d.penalty_fen
FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch
JOIN names AS n ON n.id = d.instrument
WHERE d.agreement = $agreement ORDER BY n.name;

-- query: receivables
WITH chain AS (
    SELECT n.name, b.batch, t.day, b.balance_fen,
        max(CASE WHEN b.balance_fen = 0 THEN b.batch ELSE 0 END) OVER (PARTITION BY n.name)
            AS last_clear
    FROM balances AS b JOIN names AS n ON n.id = b.account AND n.name LIKE 'receivable:%'
    JOIN batches AS t ON t.id = b.batch
    WHERE t.day <= $until::DATE
)
SELECT substr(name, 12) AS account, (-arg_max(balance_fen, batch))::BIGINT AS owed_fen,
    (min(day) FILTER (batch > last_clear))::VARCHAR AS since,
    date_diff('day', min(day) FILTER (batch > last_clear), $until::DATE) AS age_days
FROM chain GROUP BY name HAVING arg_max(balance_fen, batch) <> 0 ORDER BY account;
