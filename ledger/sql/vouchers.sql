-- Vouchers: which programme an agreement goes to, what it wants, and who pays what is granted.
--
-- An agreement goes to the first programme of the registry that is in force on its day of delivery
-- and whose conditions it meets, and to no other, even where that one has nothing left. Related
-- parties get nothing. A want is floor(base * rate); how much of it is granted is decided in
-- sequence (allocation.py) and proved afterwards (certificate.sql).

-- query: wants
CREATE OR REPLACE TEMP TABLE wants AS
WITH choice AS (
    SELECT a.id AS agreement, min(p.turn) AS turn
    FROM agreements AS a
    JOIN programmes AS p ON p.batch = $settlement AND p.side = 'buyer'
        AND a.delivery_day BETWEEN p.effective_from
            AND coalesce(p.effective_until, DATE '9999-12-31')
        AND (p.firm_kinds = [] OR list_contains(p.firm_kinds, a.buyer_kind))
        AND (p.buyer_cities = [] OR list_contains(p.buyer_cities, a.buyer_city))
        AND (p.buyer_provinces = [] OR list_contains(p.buyer_provinces, a.buyer_province))
        AND (p.compute_hubs = [] OR list_contains(p.compute_hubs, a.hub))
        AND (p.compute_provinces = [] OR list_contains(p.compute_provinces, a.province))
    WHERE a.batch = $batch AND NOT a.related
    GROUP BY a.id
),
chosen AS (
    SELECT
        a.id AS agreement, p.id AS programme, p.version, p.model, a.buyer_firm AS firm,
        year(a.delivery_day) AS year, a.value_fen AS base_fen, p.rate_bp,
        (a.value_fen::HUGEINT * p.rate_bp // 10000)::BIGINT AS want_fen, p.agreement_cap_fen,
        p.firm_cap_fen, p.pool_cap_fen
    FROM choice AS c
    JOIN agreements AS a ON a.batch = $batch AND a.id = c.agreement
    JOIN programmes AS p ON p.batch = $settlement AND p.turn = c.turn
),
firm_used AS (
    SELECT programme, firm, year, sum(grant_fen) AS used_fen FROM vouchers GROUP BY ALL
),
pool_used AS (
    SELECT programme, year, sum(grant_fen) AS used_fen FROM vouchers GROUP BY ALL
)
SELECT
    row_number() OVER (ORDER BY c.agreement) - 1 AS k, c.*,
    dense_rank() OVER (ORDER BY c.programme, c.firm, c.year) - 1 AS firm_slot,
    dense_rank() OVER (ORDER BY c.programme, c.year) - 1 AS pool_slot,
    coalesce(f.used_fen, 0)::BIGINT AS firm_used_fen,
    coalesce(p.used_fen, 0)::BIGINT AS pool_used_fen
FROM chosen AS c
LEFT JOIN firm_used AS f
    ON f.programme = c.programme AND f.firm = c.firm AND f.year = c.year
LEFT JOIN pool_used AS p ON p.programme = c.programme AND p.year = c.year
ORDER BY k;

-- query: inputs
SELECT
    want_fen, firm_slot, pool_slot, firm_used_fen, pool_used_fen,
    coalesce(agreement_cap_fen, $unlimited) AS agreement_cap_fen,
    coalesce(firm_cap_fen, $unlimited) AS firm_cap_fen,
    coalesce(pool_cap_fen, $unlimited) AS pool_cap_fen
FROM wants ORDER BY k;

-- query: decisions
INSERT INTO vouchers
SELECT
    $batch, (SELECT coalesce(max(id), 0) FROM vouchers) + w.k + 1, w.agreement, w.programme,
    w.version, 'first-come', w.model, w.firm, w.year, w.base_fen, w.rate_bp, w.want_fen,
    w.agreement_cap_fen, w.firm_cap_fen, g.before_firm_fen, w.pool_cap_fen, g.before_pool_fen,
    g.grant_fen,
    CASE
        WHEN g.grant_fen = w.want_fen THEN 'rate'
        WHEN g.grant_fen = w.agreement_cap_fen THEN 'agreement'
        WHEN w.firm_cap_fen IS NOT NULL
            AND g.grant_fen = greatest(w.firm_cap_fen - g.before_firm_fen, 0) THEN 'firm-year'
        ELSE 'pool-year'
    END
FROM wants AS w JOIN columns AS g ON g.k = w.k
ORDER BY w.k;

-- The life of a voucher that is deducted, and of a claim that is reimbursed. While delivery is
-- taken as assumed, a whole life passes in one batch.
-- query: states
INSERT INTO voucher_events
SELECT $batch, v.id, s.turn, s.state, $day::DATE, v.grant_fen
FROM vouchers AS v
JOIN (VALUES
    ('deduct', 1, 'reserved'), ('deduct', 2, 'consumed'),
    ('reimburse', 1, 'claimed'), ('reimburse', 2, 'redeemed'), ('reimburse', 3, 'paid')
) AS s (model, turn, state) ON s.model = v.model
WHERE v.batch = $batch AND v.grant_fen > 0
UNION ALL
SELECT $batch, id, 1, 'rejected', $day::DATE, 0
FROM vouchers WHERE batch = $batch AND grant_fen = 0
ORDER BY 2, 3;

-- Funders share by weight; the fen that are left go to the largest remainders, the first funder
-- by name where two are equal.
-- query: payments
INSERT INTO draft
WITH share AS (
    SELECT
        v.id, v.agreement, v.programme, v.model, v.grant_fen, f.name, f.turn,
        v.grant_fen::HUGEINT * f.weight // sum(f.weight) OVER voucher AS floor_fen,
        v.grant_fen::HUGEINT * f.weight % sum(f.weight) OVER voucher AS remainder
    FROM vouchers AS v
    JOIN funders AS f
        ON f.batch = $settlement AND f.programme = v.programme AND f.version = v.version
    WHERE v.batch = $batch AND v.grant_fen > 0
    WINDOW voucher AS (PARTITION BY v.id)
),
part AS (
    SELECT
        *, floor_fen + CASE WHEN
            row_number() OVER (PARTITION BY id ORDER BY remainder DESC, turn)
            <= grant_fen - sum(floor_fen) OVER (PARTITION BY id) THEN 1 ELSE 0 END AS amount_fen
    FROM share
)
SELECT
    CASE WHEN p.model = 'deduct' THEN 'voucher' ELSE 'claim' END,
    'pool:' || p.programme || ':' || p.name, 'cash:' || a.buyer, p.amount_fen, NULL, p.agreement,
    NULL
FROM part AS p JOIN agreements AS a ON a.batch = $batch AND a.id = p.agreement
WHERE p.amount_fen > 0;
