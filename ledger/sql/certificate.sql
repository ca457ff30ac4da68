-- Certificate: proves each voucher row from the rows before it, and each netted position and price
-- from the trades.
--
-- If grant = max(0, min(want, each cap - earlier grants)) holds in every row, and "earlier grants"
-- is the sum of the grants above it (less what earlier batches released), then by induction the
-- rows are the only result of first come, first served. The queries return the rows that break
-- this; no row is the proof.

-- Decisions on agreements and positions. A reservation for a position holds its amount until the
-- batch that released or confirmed it.
-- query: vouchers
WITH turns AS (
    SELECT v.batch, v.id, v.programme, v.firm, v.year, v.application, grant_fen AS fen,
        true AS decision, CASE WHEN agreement IS NOT NULL THEN value_fen END AS spent_fen,
        CASE WHEN agreement IS NULL THEN value_fen END AS held_fen
    FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
    UNION ALL
    SELECT f.batch, CASE WHEN v.agreement IS NULL THEN 0 ELSE 9223372036854775807 END,
        v.programme, v.firm, v.year, v.application, -sum(f.amount_fen), false, NULL, NULL
    FROM freed AS f JOIN vouchers AS v ON v.id = f.voucher GROUP BY ALL
),
before AS (
    SELECT *,
        coalesce(sum(fen) OVER (
            PARTITION BY programme, firm, year, application ORDER BY batch, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS firm_before,
        coalesce(sum(fen) OVER (
            PARTITION BY programme, year ORDER BY batch, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS pool_before,
        coalesce(sum(spent_fen) OVER (
            PARTITION BY programme, firm, year ORDER BY batch, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) + CASE WHEN held_fen IS NULL THEN 0 ELSE coalesce(sum(held_fen) OVER (
            PARTITION BY batch, programme, firm, year ORDER BY id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) END AS spend_before
    FROM turns
),
worth AS (
    SELECT application, batch, sum(sum(
        CASE state WHEN 'issued' THEN amount_fen WHEN 'expired' THEN -amount_fen ELSE 0 END
    )) OVER (PARTITION BY application ORDER BY batch) AS fen
    FROM application_events SEMI JOIN standing AS b ON b.id = application_events.batch
    GROUP BY application, batch
),
chained AS (
    SELECT
        v.*, a.value_fen AS agreed_fen, a.batch AS agreement_batch, b.firm_before, b.pool_before,
        b.spend_before, p.spend_counts_back, p.rate_bp AS rule_rate_bp,
        p.agreement_cap_fen AS rule_agreement_fen,
        CASE WHEN p.application THEN greatest(coalesce(w.fen, 0), 0) ELSE p.firm_cap_fen END
            AS rule_firm_fen,
        p.pool_cap_fen AS rule_pool_fen, p.firm_spend_min_fen AS rule_spend_fen,
        lag(v.tier) OVER turn AS tier_before, lag(v.agreement) OVER turn AS agreement_before
    FROM vouchers AS v
    JOIN before AS b ON b.id = v.id AND b.decision
    LEFT JOIN agreements AS a ON a.id = v.agreement
    LEFT JOIN (
        SELECT DISTINCT programme, version, application, spend_counts_back, rate_bp,
            agreement_cap_fen, firm_cap_fen, pool_cap_fen, firm_spend_min_fen FROM programmes
    ) AS p ON p.programme = v.programme AND p.version = v.version
    ASOF LEFT JOIN worth AS w ON w.application = v.application AND w.batch <= v.batch
    WINDOW turn AS (PARTITION BY v.batch ORDER BY v.id)
),
judged AS (
    SELECT *, CASE
        WHEN spend_min_fen IS NULL THEN value_fen
        WHEN spend_before + value_fen < spend_min_fen THEN 0
        WHEN spend_counts_back AND spend_before < spend_min_fen THEN spend_before + value_fen
        ELSE value_fen
    END AS base_due_fen
    FROM chained
)
SELECT id, CASE
    WHEN agreement IS NULL AND account IS NULL
        OR agreement IS NOT NULL AND (agreed_fen IS NULL OR agreement_batch <> batch)
        THEN 'has no agreement'
    WHEN rule_rate_bp IS NULL THEN 'its programme has no such version'
    WHEN rate_bp <> rule_rate_bp THEN 'its rate is not the programme''s'
    WHEN agreement_cap_fen IS DISTINCT FROM rule_agreement_fen
        OR firm_cap_fen IS DISTINCT FROM rule_firm_fen
        OR pool_cap_fen IS DISTINCT FROM rule_pool_fen
        OR spend_min_fen IS DISTINCT FROM rule_spend_fen THEN 'its caps are not the programme''s'
    WHEN spend_min_fen IS NOT NULL AND before_spend_fen <> spend_before
        THEN 'what its firm had spent before is wrong'
    WHEN base_fen <> base_due_fen OR value_fen <> agreed_fen
        THEN 'its base is not the agreement''s value'
    WHEN want_fen <> base_fen::HUGEINT * rate_bp // 10000 THEN 'its want is not base x rate'
    WHEN before_firm_fen <> firm_before THEN 'what its firm had before is wrong'
    WHEN before_pool_fen <> pool_before THEN 'what its pool paid before is wrong'
    WHEN tier_before > tier OR (tier_before = tier AND agreement_before >= agreement)
        THEN 'its turn is wrong'
    ELSE 'its grant is not what the caps leave'
END AS fault
FROM judged
WHERE (agreement IS NULL AND account IS NULL)
    OR (agreement IS NOT NULL AND (agreed_fen IS NULL OR agreement_batch <> batch))
    OR base_fen <> base_due_fen OR value_fen <> agreed_fen
    OR rule_rate_bp IS NULL OR rate_bp <> rule_rate_bp
    OR agreement_cap_fen IS DISTINCT FROM rule_agreement_fen
    OR firm_cap_fen IS DISTINCT FROM rule_firm_fen
    OR pool_cap_fen IS DISTINCT FROM rule_pool_fen
    OR spend_min_fen IS DISTINCT FROM rule_spend_fen
    OR (spend_min_fen IS NOT NULL AND before_spend_fen <> spend_before)
    OR want_fen <> base_fen::HUGEINT * rate_bp // 10000
    OR before_firm_fen <> firm_before OR before_pool_fen <> pool_before
    OR tier_before > tier OR (tier_before = tier AND agreement_before >= agreement)
    OR grant_fen <> greatest(0, least(
        want_fen, agreement_cap_fen, firm_cap_fen - before_firm_fen, pool_cap_fen - before_pool_fen,
        funder_cap_fen
    ))
ORDER BY id;

-- The limit by the funders' own ceilings. A funder with weight w of W and f left limits the grant
-- of all funders to f x W / w, rounded down. Its part of each earlier grant is its share (remaining
-- fen by largest remainder), whichever version granted it. A reservation uses its part until it
-- ends.
-- query: voucher_funders
WITH capped AS (
    SELECT DISTINCT programme, version, turn, pool, weight, cap_fen,
        sum(weight) OVER (PARTITION BY batch, programme, version) AS whole
    FROM funders WHERE programme IN (SELECT programme FROM funders WHERE cap_fen IS NOT NULL)
),
split AS (
    SELECT v.batch, v.id, v.year, v.agreement, f.pool, f.cap_fen, f.weight, f.whole, f.turn,
        v.grant_fen::HUGEINT * f.weight // f.whole AS floor_fen,
        v.grant_fen::HUGEINT * f.weight % f.whole AS rest, v.grant_fen
    FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
    JOIN capped AS f ON f.programme = v.programme AND f.version = v.version
),
shared AS (
    SELECT *, floor_fen + CASE WHEN
        row_number() OVER (PARTITION BY id ORDER BY rest DESC, turn)
            <= grant_fen - sum(floor_fen) OVER (PARTITION BY id)
        THEN 1 ELSE 0 END AS fen
    FROM split
),
turns AS (
    SELECT batch, id, id AS decision, pool, year, cap_fen, weight, whole, fen FROM shared
    UNION ALL
    SELECT f.batch, 0, NULL, s.pool, s.year, NULL, NULL, NULL, -s.fen
    FROM shared AS s JOIN freed AS f ON f.voucher = s.id WHERE s.agreement IS NULL
),
left_over AS (
    SELECT *, greatest(cap_fen - coalesce(sum(fen) OVER (
        PARTITION BY pool, year ORDER BY batch, id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0), 0) * whole // weight AS left_fen
    FROM turns
),
due AS (
    SELECT decision, min(left_fen) AS fen FROM left_over
    WHERE decision IS NOT NULL AND cap_fen IS NOT NULL GROUP BY decision
)
SELECT v.id, 'what the funders'' ceilings leave is ' || coalesce(d.fen::VARCHAR, 'not bounded')
    || ', not ' || coalesce(v.funder_cap_fen::VARCHAR, 'nothing')
FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
LEFT JOIN due AS d ON d.decision = v.id
WHERE v.funder_cap_fen IS DISTINCT FROM d.fen
ORDER BY v.id;

-- Order of service, by the kind that the firm had on the last settled day.
-- query: voucher_tiers
SELECT v.id, 'is served in tier ' || v.tier || ', but its firm is of kind ' || f.kind
FROM vouchers AS v
JOIN (SELECT DISTINCT programme, version, kinds_first FROM programmes) AS p
    ON p.programme = v.programme AND p.version = v.version
    AND (v.tier <> 0 OR p.kinds_first <> [])
ASOF JOIN firms AS f ON f.firm = v.firm AND f.batch <= v.batch
WHERE v.tier <> (p.kinds_first <> [] AND NOT list_contains(p.kinds_first, f.kind))::INTEGER
ORDER BY v.id;

-- Reservations are for long positions, at their value, in the order of first buys.
-- query: voucher_positions
WITH held AS (
    SELECT v.*, p.first_day, p.first_sequence,
        greatest(p.quantity, 0)::HUGEINT * p.price_ticks * p.tick_fen AS due_fen
    FROM (SELECT * FROM vouchers SEMI JOIN standing AS b ON b.id = vouchers.batch
        WHERE agreement IS NULL) AS v
    ASOF LEFT JOIN (SELECT * FROM positions SEMI JOIN standing AS b ON b.id = positions.batch) AS p
        ON p.account = v.account AND p.instrument = v.instrument AND p.batch <= v.batch
),
chained AS (
    SELECT *, lag((tier, first_day, first_sequence)) OVER (PARTITION BY batch ORDER BY id)
        > (tier, first_day, first_sequence) AS early
    FROM held
)
SELECT id, CASE WHEN early THEN 'its turn is wrong'
    ELSE 'its position is worth ' || coalesce(due_fen, 0) || ', not ' || value_fen END
FROM chained WHERE early OR value_fen IS DISTINCT FROM due_fen OR due_fen <= 0
ORDER BY id;

-- An issued voucher pays for its own firm, programme and year, while it is valid.
-- query: voucher_applications
SELECT v.id, 'draws on voucher ' || v.application || ', which does not cover it'
FROM vouchers AS v
SEMI JOIN standing AS s ON s.id = v.batch
LEFT JOIN applications AS a ON a.id = v.application
LEFT JOIN (
    SELECT application, min(batch) AS batch, max(valid_until) AS valid_until
    FROM application_events SEMI JOIN standing AS b ON b.id = application_events.batch
    WHERE state = 'issued' GROUP BY application
) AS e ON e.application = v.application AND e.batch < v.batch
LEFT JOIN agreements AS g ON g.id = v.agreement
WHERE v.application IS NOT NULL AND (
    e.batch IS NULL OR a.programme <> v.programme OR a.firm <> v.firm OR a.year <> v.year
    OR g.delivery_day > e.valid_until OR g.supplier_firm <> a.supplier_firm)
ORDER BY v.id;

-- Positions equal the sums of trades and busts, computed once more by the database.
-- query: positions
WITH side AS (
    SELECT batch, instrument, buyer AS party, quantity, price_ticks::HUGEINT * quantity AS ticks
    FROM trades
    UNION ALL
    SELECT batch, instrument, seller, -quantity, -price_ticks::HUGEINT * quantity FROM trades
    UNION ALL
    SELECT batch, instrument, buyer, -quantity, -price_ticks::HUGEINT * quantity FROM busts
    UNION ALL
    SELECT batch, instrument, seller, quantity, price_ticks::HUGEINT * quantity FROM busts
),
today AS (
    SELECT batch, instrument, party, sum(quantity) AS quantity, sum(ticks) AS ticks
    FROM side GROUP BY ALL
),
named AS (
    SELECT t.batch, a.account, i.instrument, t.quantity, t.ticks
    FROM today AS t
    JOIN accounts AS a ON a.batch = t.batch AND a.number = t.party
    JOIN instruments AS i ON i.batch = t.batch AND i.number = t.instrument
)
SELECT p.batch, 'position of ' || n.name || ' in ' || substr(i.name, 8)
    || ' does not follow from the trades'
FROM positions AS p
LEFT JOIN named AS t
    ON t.batch = p.batch AND t.account = p.account AND t.instrument = p.instrument
JOIN names AS n ON n.id = p.account
JOIN names AS i ON i.id = p.instrument
WHERE p.bought - p.sold <> coalesce(t.quantity, 0)
    OR p.bought_fen - p.sold_fen <> coalesce(t.ticks, 0) * p.tick_fen
    OR p.quantity <> p.opening_quantity + p.bought - p.sold + p.delivered
    OR (p.delivered = 0 AND p.difference_fen
        <> (p.opening_quantity::HUGEINT * p.opening_ticks - p.quantity::HUGEINT * p.price_ticks)
        * p.tick_fen + p.bought_fen - p.sold_fen)
    OR (p.delivered = 0 AND p.escrow_fen <> (greatest(p.quantity, 0)::HUGEINT * p.price_ticks
        - greatest(p.opening_quantity, 0)::HUGEINT * p.opening_ticks) * p.tick_fen)
ORDER BY ALL;

-- Settlement prices are the average of trades in the book, without trades of two blocks with each
-- other. Without such trades they are the price before, else the contract's reference price.
-- query: prices
WITH priced AS (
    SELECT t.batch, i.instrument,
        (2 * sum(price_ticks::HUGEINT * quantity) + sum(quantity)) // (2 * sum(quantity)) AS ticks
    FROM trades AS t
    ANTI JOIN busts AS m ON m.batch = t.batch AND m.trade_id = t.trade_id
    JOIN instruments AS i ON i.batch = t.batch AND i.number = t.instrument
    WHERE t.flags & 4 = 0
    GROUP BY t.batch, i.instrument
),
due AS (
    SELECT d.batch, d.instrument, d.settlement_ticks, coalesce(p.ticks, (
        SELECT arg_max(e.settlement_ticks, e.batch)
        FROM instrument_days AS e SEMI JOIN standing AS b ON b.id = e.batch
        WHERE e.instrument = d.instrument AND e.batch < d.batch
    ), c.reference_ticks) AS ticks
    FROM instrument_days AS d SEMI JOIN standing AS b ON b.id = d.batch
    JOIN instruments AS i ON i.batch = d.batch AND i.instrument = d.instrument
    JOIN contracts AS c ON c.batch = d.batch AND c.contract = i.contract
    LEFT JOIN priced AS p ON p.batch = d.batch AND p.instrument = d.instrument
)
SELECT due.batch, 'settlement price of ' || substr(n.name, 8) || ' is ' || settlement_ticks
    || ', its trades give ' || ticks
FROM due JOIN names AS n ON n.id = due.instrument
WHERE ticks <> settlement_ticks
ORDER BY ALL;
