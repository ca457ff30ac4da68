-- Delivery: nominated lines become service agreements and deliveries, escrow pays the suppliers.
--
-- A service agreement is (buyer, delivering supplier, contract, settlement day), the settlement
-- day being the day of delivery in Asia/Shanghai. Its value is at settlement prices. Its number
-- is its place in "first come, first served": by the first buy of the buyer in its instruments.

-- query: open_positions
CREATE OR REPLACE TEMP TABLE open_positions AS
SELECT
    row_number() OVER (ORDER BY p.instrument, a.id) - 1 AS k,
    dense_rank() OVER (ORDER BY p.instrument) - 1 AS book,
    a.id AS account_id, a.firm AS firm_id, i.contract, i.hub, i.province, i.delivery_day, p.*
FROM (
    SELECT * FROM positions
    QUALIFY row_number() OVER (PARTITION BY account, instrument ORDER BY batch DESC) = 1
) AS p
JOIN instruments AS i ON i.batch = $settlement AND i.symbol = p.instrument
LEFT JOIN accounts AS a ON a.batch = $settlement AND a.name = p.account
WHERE p.quantity <> 0
ORDER BY k;

-- A supplier's fee is split over its lines so that the parts add up to it exactly.
-- query: lines
CREATE OR REPLACE TEMP TABLE lines AS
SELECT
    l.instrument, l.contract, l.hub, l.province, l.delivery_day, l.price_ticks,
    l.account AS buyer, l.account_id AS buyer_id, l.firm_id AS buyer_firm,
    s.account AS supplier, s.account_id AS supplier_id, s.firm_id AS supplier_firm,
    l.first_day, l.first_sequence, m.quantity,
    m.quantity::HUGEINT * l.price_ticks * l.tick_fen AS value_fen,
    s.fee_due_fen::HUGEINT * sum(m.quantity) OVER so_far // -s.quantity
        - s.fee_due_fen::HUGEINT * (sum(m.quantity) OVER so_far - m.quantity) // -s.quantity
        AS fee_fen
FROM columns AS m
JOIN open_positions AS l ON l.k = m.long
JOIN open_positions AS s ON s.k = m.short
WINDOW so_far AS (
    PARTITION BY s.k ORDER BY l.k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
);

-- query: agreements
INSERT INTO agreements
WITH bundle AS (
    SELECT
        buyer, buyer_id, buyer_firm, supplier, supplier_id, supplier_firm, contract, delivery_day,
        any_value(hub) AS hub, any_value(province) AS province, sum(quantity) AS quantity,
        sum(value_fen) AS value_fen, sum(fee_fen) AS fee_fen,
        min((first_day, first_sequence)) AS first_buy
    FROM lines
    GROUP BY ALL
)
SELECT
    $batch,
    (SELECT coalesce(max(id), 0) FROM agreements) + row_number() OVER (
        ORDER BY first_buy, buyer_id, supplier_id, contract, delivery_day
    ) AS number,
    b.buyer, b.supplier, b.contract, b.delivery_day, b.hub, b.province, b.quantity, b.value_fen,
    b.fee_fen, f.name, f.kind, f.city, f.province,
    f.id = g.id OR (f.related_group <> 0 AND f.related_group = g.related_group),
    b.first_buy[1], b.first_buy[2]
FROM bundle AS b
JOIN firms AS f ON f.batch = $settlement AND f.id = b.buyer_firm
JOIN firms AS g ON g.batch = $settlement AND g.id = b.supplier_firm
ORDER BY number;

-- query: deliveries
INSERT INTO deliveries
SELECT
    $batch, a.id, l.instrument, l.buyer, l.supplier, l.quantity, l.quantity, 'assumed in full',
    l.price_ticks, l.value_fen, l.fee_fen
FROM lines AS l
JOIN agreements AS a
    ON a.batch = $batch AND a.buyer = l.buyer AND a.supplier = l.supplier
    AND a.contract = l.contract AND a.delivery_day = l.delivery_day
ORDER BY a.id, l.instrument;

-- query: closed_positions
INSERT INTO positions
SELECT
    $batch, account, instrument, tick_fen, quantity, price_ticks, 0, 0, 0, 0, -quantity, 0,
    price_ticks, 0, -greatest(quantity, 0)::HUGEINT * price_ticks * tick_fen,
    CASE WHEN quantity < 0 THEN fee_due_fen ELSE 0 END, 0, NULL, NULL
FROM open_positions
ORDER BY k;

-- query: postings
INSERT INTO draft
SELECT 'delivery', 'escrow:' || instrument, 'cash:' || supplier, value_fen, instrument, agreement,
    NULL
FROM deliveries WHERE batch = $batch
UNION ALL
SELECT 'fee', 'cash:' || supplier, 'fees', fee_fen, instrument, agreement, NULL
FROM deliveries WHERE batch = $batch AND fee_fen > 0;
