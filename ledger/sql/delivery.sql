-- Delivery: writes agreements, nominations, deliveries, and positions that end by nomination.
--
-- The table `columns` holds numpy arrays; days are days since the epoch.

-- query: agreements
INSERT INTO agreements
SELECT
    $batch, id, buyer, supplier, contract, DATE '1970-01-01' + delivery_day::INTEGER, quantity,
    value_fen, fee_fen, buyer_firm, supplier_firm, related,
    DATE '1970-01-01' + first_day::INTEGER, first_sequence
FROM columns;

-- query: nominations
INSERT INTO nominations
SELECT
    $batch, agreement, instrument, quantity, price_ticks, value_fen, fee_fen, guaranteed_fen
FROM columns;

-- query: deliveries
INSERT INTO deliveries
SELECT
    $batch, agreement, instrument, nominated, delivered, excess,
    CASE metered WHEN 0 THEN 'assumed in full' WHEN 1 THEN 'metered' ELSE 'not metered' END
        ::delivery_source,
    value, refund, fee, penalty
FROM columns;

-- Positions are closed: their escrow and deposits belong to the nominated lines from now on.
-- query: closed_positions
INSERT INTO positions
SELECT
    $batch, account, instrument, tick_fen, quantity, price_ticks, 0, 0, 0, 0, -quantity, 0,
    price_ticks, 0, 0, 0, 0, 0, NULL, NULL
FROM columns;
