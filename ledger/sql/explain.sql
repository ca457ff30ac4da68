-- Explain: a voucher decision with names instead of numbers, its states, and its funders.

-- query: decision
SELECT
    v.id AS voucher, v.agreement, substr(p.name, 11) AS programme, v.version,
    v.rule::VARCHAR AS rule, v.model::VARCHAR AS model, substr(f.name, 6) AS firm, v.year,
    v.base_fen, v.rate_bp, v.want_fen, v.agreement_cap_fen, v.firm_cap_fen, v.before_firm_fen,
    v.pool_cap_fen, v.before_pool_fen, v.spend_min_fen, v.before_spend_fen, v.funder_cap_fen,
    v.grant_fen, v.binding::VARCHAR AS binding, substr(b.name, 6) AS buyer,
    substr(s.name, 6) AS supplier, substr(c.name, 10) AS contract,
    a.delivery_day::VARCHAR AS day, v.value_fen, substr(i.name, 8) AS instrument, v.application,
    v.tier,
    (SELECT max(effective_from)::VARCHAR FROM programmes AS r
        WHERE r.programme = v.programme AND r.version = v.version) AS effective_from,
    (SELECT max(effective_until)::VARCHAR FROM programmes AS r
        WHERE r.programme = v.programme AND r.version = v.version) AS effective_until
FROM vouchers AS v
LEFT JOIN agreements AS a ON a.id = v.agreement
JOIN names AS p ON p.id = v.programme
JOIN names AS f ON f.id = v.firm
JOIN names AS b ON b.id = coalesce(a.buyer, v.account)
LEFT JOIN names AS s ON s.id = a.supplier
LEFT JOIN names AS c ON c.id = a.contract
LEFT JOIN names AS i ON i.id = v.instrument
WHERE v.id = $voucher;

-- query: states
SELECT state::VARCHAR, day::VARCHAR, amount_fen FROM voucher_events
WHERE voucher = $voucher ORDER BY turn, batch;

-- query: shares
SELECT n.name, s.amount_fen FROM voucher_shares AS s JOIN names AS n ON n.id = s.pool
WHERE s.voucher = $voucher ORDER BY s.batch, n.name;
