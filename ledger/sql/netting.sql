-- Netting: writes prices and positions that `netting.py` computes. `certificate.sql` proves them.

-- query: instrument_days
INSERT INTO instrument_days
SELECT
    $batch, instrument, tick_fen, trades, volume, turnover_fen,
    CASE WHEN in_book THEN open_ticks END, CASE WHEN in_book THEN high_ticks END,
    CASE WHEN in_book THEN low_ticks END, CASE WHEN in_book THEN close_ticks END, settlement_ticks
FROM columns;

-- The last settlement price of each instrument.
-- query: prices
SELECT d.instrument, arg_max(d.settlement_ticks, d.batch) AS price_ticks
FROM instrument_days AS d SEMI JOIN standing AS b ON b.id = d.batch
GROUP BY d.instrument ORDER BY d.instrument;

-- query: positions
INSERT INTO positions
SELECT
    $batch, account, instrument, tick_fen, opening_quantity, opening_ticks, bought, sold,
    bought_fen, sold_fen, delivered, quantity, price_ticks, difference_fen, escrow_fen,
    guaranteed_fen, fee_fen, fee_due_fen,
    CASE WHEN first_day > 0 THEN DATE '1970-01-01' + first_day::INTEGER END,
    CASE WHEN first_sequence > 0 THEN first_sequence END
FROM columns;
