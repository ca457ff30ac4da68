-- Vouchers: writes decisions and states, and reads the amounts that earlier decisions have used.
--
-- The parameter for the batch is the batch that is being written. It is not standing yet, but
-- amounts that it has freed count.

-- query: decisions
INSERT INTO vouchers
SELECT
    $batch, id, CASE WHEN agreement > 0 THEN agreement END, CASE WHEN account > 0 THEN account END,
    CASE WHEN instrument > 0 THEN instrument END, CASE WHEN application > 0 THEN application END,
    programme, version,
    CASE rule WHEN 0 THEN 'first-come' WHEN 1 THEN 'in-proportion' END::voucher_rule,
    CASE model WHEN 0 THEN 'deduct' WHEN 1 THEN 'reimburse' END::payment_model,
    tier, firm, year, value_fen, base_fen, rate_bp, want_fen,
    CASE WHEN agreement_cap_fen >= 0 THEN agreement_cap_fen END,
    CASE WHEN firm_cap_fen >= 0 THEN firm_cap_fen END, before_firm_fen,
    CASE WHEN pool_cap_fen >= 0 THEN pool_cap_fen END, before_pool_fen,
    CASE WHEN spend_min_fen > 0 THEN spend_min_fen END, before_spend_fen,
    CASE WHEN funder_cap_fen >= 0 THEN funder_cap_fen END, grant_fen,
    CASE binding
        WHEN 0 THEN 'rate'
        WHEN 1 THEN 'agreement'
        WHEN 2 THEN 'voucher'
        WHEN 3 THEN 'firm-year'
        WHEN 4 THEN 'pool-year'
        WHEN 5 THEN 'funder-year'
        WHEN 6 THEN 'minimum'
    END::voucher_binding
FROM columns;

-- query: states
INSERT INTO voucher_events
SELECT $batch, voucher, turn, $state::voucher_state, $day::DATE, amount_fen FROM columns;

-- query: shares
INSERT INTO voucher_shares SELECT $batch, voucher, pool, amount_fen FROM columns;

-- Granted and not freed amounts, by programme, firm, year and issued voucher.
-- query: used
SELECT v.programme, v.firm, v.year, coalesce(v.application, 0),
    sum(v.grant_fen - coalesce(e.fen, 0))::BIGINT
FROM vouchers AS v
SEMI JOIN standing AS b ON b.id = v.batch
LEFT JOIN (
    SELECT voucher, sum(amount_fen) AS fen FROM (
        SELECT voucher, amount_fen FROM freed
        UNION ALL
        SELECT voucher, amount_fen FROM voucher_events
        WHERE batch = $batch AND state IN ('released', 'confirmed')
    ) GROUP BY voucher
) AS e ON e.voucher = v.id
GROUP BY ALL;

-- Value of agreements decided by a programme, by firm and year.
-- query: spent
SELECT programme, firm, year, sum(value_fen)::BIGINT
FROM vouchers SEMI JOIN standing AS b ON b.id = vouchers.batch
WHERE agreement IS NOT NULL
GROUP BY ALL;

-- Used part of each funder's ceiling in a year, as if all grants were paid in full. A reservation
-- counts until it ends.
-- query: funders_used
WITH granted AS (
    SELECT v.id, v.year, v.grant_fen, f.pool, f.turn,
        v.grant_fen::HUGEINT * f.weight // sum(f.weight) OVER one AS floor_fen,
        v.grant_fen::HUGEINT * f.weight % sum(f.weight) OVER one AS rest
    FROM vouchers AS v
    SEMI JOIN standing AS b ON b.id = v.batch
    JOIN (
        SELECT DISTINCT programme, version, turn, pool, weight FROM funders
    ) AS f ON f.programme = v.programme AND f.version = v.version
    WHERE v.agreement IS NOT NULL OR v.id NOT IN (
        SELECT voucher FROM voucher_events
        WHERE state IN ('released', 'confirmed')
            AND (batch = $batch OR batch IN (SELECT id FROM standing)))
    WINDOW one AS (PARTITION BY v.id)
)
SELECT pool, year, sum(floor_fen + CASE WHEN place <= spare THEN 1 ELSE 0 END)::BIGINT
FROM (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY rest DESC, turn) AS place,
        grant_fen - sum(floor_fen) OVER (PARTITION BY id) AS spare
    FROM granted
)
GROUP BY ALL;

-- Open reservations, with their positions.
-- query: reserved
SELECT v.id, v.account, v.instrument, v.grant_fen
FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
WHERE v.agreement IS NULL AND v.grant_fen > 0 AND v.id NOT IN (
    SELECT voucher FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch
    WHERE state IN ('released', 'confirmed'))
ORDER BY v.id;

-- Issued vouchers, with their worth and last day of delivery.
-- query: issued
SELECT id, programme, firm, year, coalesce(supplier_firm, 0), worth_fen,
    date_diff('day', DATE '1970-01-01', valid_until)
FROM application_lives WHERE state = 'issued'
ORDER BY id;

-- Long positions, including those of the batch that is being written.
-- query: long_positions
SELECT account, instrument, quantity * price_ticks * tick_fen AS value_fen,
    coalesce(date_diff('day', DATE '1970-01-01', first_day), 0) AS first_day,
    coalesce(first_sequence, 0) AS first_sequence
FROM positions
WHERE batch = $batch OR batch IN (SELECT id FROM standing)
QUALIFY row_number() OVER (PARTITION BY account, instrument ORDER BY batch DESC) = 1
    AND quantity > 0;
