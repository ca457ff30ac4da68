-- Blocks: hours that traded together, and the suppliers that deliver them.

-- query: trades
INSERT INTO block_trades SELECT $batch, trade_id, trade_group FROM columns;

-- query: nominations
INSERT INTO block_nominations
SELECT $batch, agreement, instrument, trade_batch, trade_group, quantity FROM columns;

-- Lots bought as blocks, by block and hour, in hours that the buyer still holds.
-- query: bought
SELECT k.batch AS trade_batch, k.trade_group, a.account, i.instrument,
    sum(t.quantity)::BIGINT AS quantity
FROM block_trades AS k
SEMI JOIN standing AS b ON b.id = k.batch
JOIN trades AS t ON t.batch = k.batch AND t.trade_id = k.trade_id
JOIN accounts AS a ON a.batch = k.batch AND a.number = t.buyer
JOIN instruments AS i ON i.batch = k.batch AND i.number = t.instrument
SEMI JOIN open_positions AS p
    ON p.account = a.account AND p.instrument = i.instrument AND p.quantity > 0
ANTI JOIN (
    SELECT m.trade_id, m.price_ticks, m.quantity, c.account, j.instrument
    FROM busts AS m SEMI JOIN standing AS b ON b.id = m.batch
    JOIN accounts AS c ON c.batch = m.batch AND c.number = m.buyer
    JOIN instruments AS j ON j.batch = m.batch AND j.number = m.instrument
) AS m ON m.trade_id = t.trade_id AND m.price_ticks = t.price_ticks
    AND m.quantity = t.quantity AND m.account = a.account AND m.instrument = i.instrument
WHERE t.flags & 8 <> 0
GROUP BY ALL
ORDER BY ALL;

-- Suppliers that serve a block already.
-- query: served
SELECT DISTINCT n.trade_batch, n.trade_group, a.supplier
FROM block_nominations AS n
SEMI JOIN standing AS b ON b.id = n.batch
JOIN agreements AS a ON a.id = n.agreement
ORDER BY ALL;

-- One row for each side of a block: its hours, average price and suppliers.
-- query: traded
WITH sides AS (
    SELECT k.batch, k.trade_group, 'buy' AS side, t.buyer AS number, t.instrument, t.price_ticks,
        t.quantity, t.buyer_fee_fen AS fee_fen
    FROM block_trades AS k JOIN trades AS t ON t.batch = k.batch AND t.trade_id = k.trade_id
    WHERE t.flags & 8 <> 0
    UNION ALL
    SELECT k.batch, k.trade_group, 'sell', t.seller, t.instrument, t.price_ticks, t.quantity,
        t.seller_fee_fen
    FROM block_trades AS k JOIN trades AS t ON t.batch = k.batch AND t.trade_id = k.trade_id
    WHERE t.flags & 16 <> 0
),
suppliers AS (
    SELECT trade_batch, trade_group, list({'supplier': supplier, 'first': first_symbol,
        'hours': hours, 'lots': lots} ORDER BY start_s, supplier, lots) AS suppliers
    FROM (
        SELECT n.trade_batch, n.trade_group, substr(s.name, 6) AS supplier, n.quantity AS lots,
            arg_min(i.symbol, i.start_s) AS first_symbol, min(i.start_s) AS start_s,
            count(*) AS hours
        FROM block_nominations AS n
        SEMI JOIN standing AS b ON b.id = n.batch
        JOIN agreements AS a ON a.id = n.agreement
        JOIN names AS s ON s.id = a.supplier
        JOIN instruments AS i ON i.batch = n.trade_batch AND i.instrument = n.instrument
        GROUP BY ALL
    ) GROUP BY ALL
)
SELECT b.day::VARCHAR AS day, d.trade_group, d.side, a.name AS account, c.code AS contract,
    arg_min(i.symbol, i.start_s) AS first, count(DISTINCT d.instrument) AS hours,
    (sum(d.quantity) / count(DISTINCT d.instrument))::BIGINT AS lots,
    sum(d.price_ticks::BIGINT * d.quantity)::BIGINT AS worth_ticks,
    sum(d.price_ticks::BIGINT * d.quantity * c.tick_fen)::BIGINT AS value_fen,
    sum(d.fee_fen)::BIGINT AS fee_fen,
    CASE WHEN d.side = 'buy' THEN coalesce(any_value(s.suppliers), []) ELSE [] END AS suppliers
FROM sides AS d
JOIN standing AS b ON b.id = d.batch
JOIN accounts AS a ON a.batch = d.batch AND a.number = d.number
JOIN instruments AS i ON i.batch = d.batch AND i.number = d.instrument
JOIN contracts AS c ON c.batch = d.batch AND c.contract = i.contract
LEFT JOIN suppliers AS s ON s.trade_batch = d.batch AND s.trade_group = d.trade_group
WHERE b.day BETWEEN $since::DATE AND $until::DATE AND ($account = '' OR a.name = $account)
GROUP BY d.batch, b.day, d.trade_group, d.side, a.name, c.code
ORDER BY b.day, d.batch, d.trade_group, d.side;
