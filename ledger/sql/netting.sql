-- Netting: what `netting.py` makes of a day's trades, written down. `certificate.sql` proves it.

-- query: instrument_days
INSERT INTO instrument_days
SELECT
    $batch, instrument, tick_fen, trades, volume, turnover_fen, open_ticks, high_ticks, low_ticks,
    close_ticks, settlement_ticks
FROM columns;

-- query: positions
INSERT INTO positions
SELECT
    $batch, account, instrument, tick_fen, opening_quantity, opening_ticks, bought, sold,
    bought_fen, sold_fen, delivered, quantity, price_ticks, difference_fen, escrow_fen,
    guaranteed_fen, fee_fen, fee_due_fen,
    CASE WHEN first_day > 0 THEN DATE '1970-01-01' + first_day::INTEGER END,
    CASE WHEN first_sequence > 0 THEN first_sequence END
FROM columns;
