-- The certificate: proves each voucher row from the rows before it.
--
-- If  grant = max(0, min(want, each cap - what went before))  holds in every row, and "what went
-- before" is the sum of the grants above it, then by induction the rows are the only answer of
-- first come, first served. The query returns the rows that break it; none is the proof.

-- query: violations
WITH chained AS (
    SELECT
        v.*, a.value_fen, a.batch AS agreement_batch,
        coalesce(sum(grant_fen) OVER (
            PARTITION BY programme, firm, year ORDER BY v.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS firm_before,
        coalesce(sum(grant_fen) OVER (
            PARTITION BY programme, year ORDER BY v.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS pool_before,
        lag(v.agreement) OVER (PARTITION BY v.batch ORDER BY v.id) AS agreement_before
    FROM vouchers AS v LEFT JOIN agreements AS a ON a.id = v.agreement
)
SELECT id, CASE
    WHEN value_fen IS NULL OR agreement_batch <> batch THEN 'has no agreement'
    WHEN base_fen <> value_fen THEN 'its base is not the agreement''s value'
    WHEN want_fen <> base_fen::HUGEINT * rate_bp // 10000 THEN 'its want is not base x rate'
    WHEN before_firm_fen <> firm_before THEN 'what its firm had before is wrong'
    WHEN before_pool_fen <> pool_before THEN 'what its pool paid before is wrong'
    WHEN agreement_before >= agreement THEN 'its turn is wrong'
    ELSE 'its grant is not what the caps leave'
END AS fault
FROM chained
WHERE value_fen IS NULL OR agreement_batch <> batch OR base_fen <> value_fen
    OR want_fen <> base_fen::HUGEINT * rate_bp // 10000
    OR before_firm_fen <> firm_before OR before_pool_fen <> pool_before
    OR agreement_before >= agreement
    OR grant_fen <> greatest(0, least(
        want_fen, agreement_cap_fen, firm_cap_fen - before_firm_fen, pool_cap_fen - before_pool_fen
    ))
ORDER BY id;
