-- Metering: data that meter files are checked against, waiting deliveries, and dispatch notices.

-- query: lines
SELECT n.agreement, i.symbol, n.instrument, c.product, a.contract, i.end_s - i.start_s,
    NOT EXISTS (FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch
        WHERE d.agreement = n.agreement)
FROM nominations AS n
SEMI JOIN standing AS b ON b.id = n.batch
JOIN agreements AS a ON a.id = n.agreement
JOIN (SELECT instrument, arg_max(symbol, batch) AS symbol, max(start_s) AS start_s,
    max(end_s) AS end_s FROM instruments GROUP BY instrument) AS i ON i.instrument = n.instrument
JOIN (SELECT contract, arg_max(product, batch) AS product FROM contracts GROUP BY contract) AS c
    ON c.contract = a.contract;

-- query: instruments
SELECT DISTINCT symbol FROM instruments;

-- Instruments of open positions: symbol, contract, start, end and gate.
-- query: held
SELECT DISTINCT i.symbol, c.code, i.start_s, i.end_s, i.gate_s
FROM open_positions AS p
JOIN (SELECT * FROM instruments QUALIFY row_number() OVER (
    PARTITION BY instrument ORDER BY batch DESC) = 1) AS i ON i.instrument = p.instrument
JOIN (SELECT contract, arg_max(code, batch) AS code FROM contracts GROUP BY contract) AS c
    ON c.contract = i.contract
ORDER BY ALL;

-- Delivery days of open positions.
-- query: open_delivery_days
SELECT DISTINCT i.delivery_day::VARCHAR AS day FROM open_positions AS p
JOIN (SELECT instrument, delivery_day FROM instruments) AS i ON i.instrument = p.instrument
ORDER BY day;

-- query: ratings
SELECT contract, chip, arg_max(dense_fp16_tflops, batch) FROM contract_chips GROUP BY ALL;

-- query: metered
SELECT meter, agreement, instrument, chip, gpus, available_s, delivered_millionths
FROM meterings SEMI JOIN standing AS b ON b.id = meterings.batch;

-- query: findings
SELECT finding, agreement, instrument, chip, gpus, available_s, lost_millionths
FROM shortfalls SEMI JOIN standing AS b ON b.id = shortfalls.batch;

-- Quantities metered in earlier files, by line.
-- query: kept
SELECT agreement, instrument, sum(delivered_millionths)::BIGINT
FROM meterings SEMI JOIN standing AS b ON b.id = meterings.batch GROUP BY ALL;

-- query: write
INSERT INTO meterings
SELECT $batch, meter, agreement, instrument, chip, gpus, available_s, delivered FROM columns;

-- Nominations that wait for delivery, with buyer, supplier and penalty rate.
-- query: waiting
SELECT
    n.agreement, n.instrument, a.buyer, a.supplier, n.quantity, n.value_fen, n.fee_fen,
    n.guaranteed_fen, c.penalty_bp
FROM nominations AS n
SEMI JOIN standing AS b ON b.id = n.batch
ANTI JOIN (SELECT agreement FROM deliveries SEMI JOIN standing AS b ON b.id = deliveries.batch)
    AS d ON d.agreement = n.agreement
JOIN agreements AS a ON a.id = n.agreement
JOIN (SELECT contract, arg_max(penalty_bp, batch) AS penalty_bp FROM contracts GROUP BY contract)
    AS c ON c.contract = a.contract
WHERE a.delivery_day = $day::DATE
ORDER BY n.agreement, n.instrument;

-- Delivery days with nominations that wait for delivery.
-- query: waiting_days
SELECT DISTINCT a.delivery_day::VARCHAR AS day FROM nominations AS n
SEMI JOIN standing AS b ON b.id = n.batch
ANTI JOIN (SELECT agreement FROM deliveries SEMI JOIN standing AS b ON b.id = deliveries.batch)
    AS d ON d.agreement = n.agreement
JOIN agreements AS a ON a.id = n.agreement
ORDER BY day;

-- Decisions that the delivery continues: reserved vouchers, and grants that are claimed later.
-- query: vouchers
SELECT v.id, v.agreement, a.buyer, v.programme, v.version, v.grant_fen,
    coalesce(max(e.turn), 0) AS turn
FROM vouchers AS v
SEMI JOIN standing AS b ON b.id = v.batch
JOIN agreements AS a ON a.id = v.agreement
LEFT JOIN (SELECT * FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch)
    AS e ON e.voucher = v.id
WHERE v.grant_fen > 0 AND a.delivery_day = $day::DATE
GROUP BY ALL
HAVING coalesce(bool_and(e.state = 'reserved'), true)
ORDER BY v.id;

-- query: notices
SELECT
    substr(s.name, 6) AS supplier, n.agreement, substr(u.name, 6) AS buyer, i.symbol,
    c.code, c.product, i.start_s, i.end_s, n.quantity, k.chips,
    coalesce(p.blocks, []) AS blocks,
    NOT EXISTS (FROM deliveries AS d SEMI JOIN standing AS x ON x.id = d.batch
        WHERE d.agreement = n.agreement) AS waits
FROM nominations AS n
SEMI JOIN standing AS b ON b.id = n.batch
JOIN agreements AS a ON a.id = n.agreement
JOIN names AS s ON s.id = a.supplier
JOIN names AS u ON u.id = a.buyer
JOIN (SELECT instrument, arg_max(symbol, batch) AS symbol, max(start_s) AS start_s,
    max(end_s) AS end_s FROM instruments GROUP BY instrument) AS i ON i.instrument = n.instrument
JOIN (SELECT contract, arg_max(code, batch) AS code, arg_max(product, batch) AS product
    FROM contracts GROUP BY contract) AS c ON c.contract = a.contract
JOIN (SELECT contract, list({'chip': chip, 'dense_fp16_tflops': rating} ORDER BY chip) AS chips
    FROM (SELECT contract, chip, arg_max(dense_fp16_tflops, batch) AS rating FROM contract_chips
        GROUP BY ALL) GROUP BY contract) AS k ON k.contract = a.contract
LEFT JOIN (
    SELECT agreement, instrument,
        list({'block': day || '/' || trade_group, 'lots': quantity, 'of': whole}
            ORDER BY day, trade_group) AS blocks
    FROM (
        SELECT p.agreement, p.instrument, p.trade_group, d.day::VARCHAR AS day, p.quantity,
            sum(p.quantity) OVER (PARTITION BY p.trade_batch, p.trade_group, p.instrument)::BIGINT
                AS whole
        FROM block_nominations AS p
        SEMI JOIN standing AS b ON b.id = p.batch
        JOIN batches AS d ON d.id = p.trade_batch
    ) GROUP BY ALL
) AS p ON p.agreement = n.agreement AND p.instrument = n.instrument
WHERE a.delivery_day = $day::DATE
ORDER BY supplier, i.start_s, i.symbol, n.agreement;

-- query: nominated
SELECT n.agreement, substr(u.name, 6), substr(s.name, 6), substr(i.name, 8), n.quantity, n.value_fen
FROM nominations AS n JOIN agreements AS a ON a.id = n.agreement
JOIN names AS s ON s.id = a.supplier
JOIN names AS u ON u.id = a.buyer
JOIN names AS i ON i.id = n.instrument
WHERE n.batch = $batch ORDER BY n.agreement, n.instrument;
