-- Audit: what must hold in any books, asked of the books alone. Each query returns the faults it
-- finds, as text; none is good.

-- query: posting_numbers
SELECT 'postings: numbers run to ' || max(id) || ', but there are ' || count(*) || ' lines'
FROM postings HAVING count(*) > 0 AND (max(id) <> count(*) OR min(id) <> 1
    OR count(DISTINCT id) <> count(*));

-- query: posting_days
SELECT 'postings: line ' || p.id || ' has day ' || p.day || ', its batch ' || b.day
FROM postings AS p JOIN batches AS b ON b.id = p.batch WHERE b.day <> p.day ORDER BY p.id;

-- query: trial_balance
SELECT 'trial balance: all accounts sum to ' || sum(fen) || ' fen, not to 0' FROM (
    SELECT sum(amount_fen) AS fen FROM postings UNION ALL SELECT -sum(amount_fen) FROM postings
) HAVING sum(fen) <> 0;

-- Differences of an instrument come from trades and positions that sum to zero.
-- query: clearing
SELECT 'clearing: ' || coalesce(instrument, 'no instrument') || ' is off by '
    || sum(CASE WHEN to_account = 'clearing' THEN amount_fen ELSE -amount_fen END)
    || ' fen in batch ' || batch
FROM postings WHERE to_account = 'clearing' OR from_account = 'clearing'
GROUP BY batch, instrument
HAVING sum(CASE WHEN to_account = 'clearing' THEN amount_fen ELSE -amount_fen END) <> 0
ORDER BY ALL;

-- query: flat_positions
SELECT 'positions: those in ' || instrument || ' sum to ' || sum(quantity) || ', not to 0' FROM (
    SELECT instrument, quantity FROM positions
    QUALIFY row_number() OVER (PARTITION BY account, instrument ORDER BY batch DESC) = 1
) GROUP BY instrument HAVING sum(quantity) <> 0 ORDER BY instrument;

-- Escrow holds the net long quantity at the settlement price; nothing after full delivery.
-- query: escrow
WITH held AS (
    SELECT instrument, sum(fen) AS fen FROM (
        SELECT substr(to_account, 8) AS instrument, amount_fen AS fen FROM postings
        WHERE to_account LIKE 'escrow:%'
        UNION ALL
        SELECT substr(from_account, 8), -amount_fen FROM postings
        WHERE from_account LIKE 'escrow:%'
    ) GROUP BY instrument
),
due AS (
    SELECT instrument, sum(greatest(quantity, 0)::HUGEINT * price_ticks * tick_fen) AS fen FROM (
        SELECT * FROM positions
        QUALIFY row_number() OVER (PARTITION BY account, instrument ORDER BY batch DESC) = 1
    ) GROUP BY instrument
)
SELECT 'escrow: ' || coalesce(h.instrument, d.instrument) || ' holds ' || coalesce(h.fen, 0)
    || ' fen, its positions are worth ' || coalesce(d.fen, 0)
FROM held AS h FULL JOIN due AS d ON d.instrument = h.instrument
WHERE coalesce(h.fen, 0) <> coalesce(d.fen, 0) ORDER BY 1;

-- Cash is not negative, and nobody is paid back more than was advanced, after any batch.
-- query: purses
WITH moved AS (
    SELECT batch, to_account AS account, amount_fen AS fen FROM postings
    UNION ALL
    SELECT batch, from_account, -amount_fen FROM postings
),
standing AS (
    SELECT account, batch,
        sum(sum(fen)) OVER (PARTITION BY account ORDER BY batch) AS balance_fen
    FROM moved WHERE account LIKE 'cash:%' OR account LIKE 'receivable:%'
    GROUP BY account, batch
)
SELECT 'balance: ' || account || ' is at ' || balance_fen || ' fen after batch ' || batch
FROM standing
WHERE CASE WHEN account LIKE 'cash:%' THEN balance_fen < 0 ELSE balance_fen > 0 END
ORDER BY batch, account;

-- query: pools
SELECT 'pool: ' || programme || ' granted ' || sum(grant_fen) || ' fen in ' || year
    || ', it has ' || max(pool_cap_fen)
FROM vouchers GROUP BY programme, year HAVING sum(grant_fen) > max(pool_cap_fen) ORDER BY ALL;

-- What the funders paid for an agreement is what was granted to it, once.
-- query: payments
WITH paid AS (
    SELECT agreement, split_part(from_account, ':', 2) AS programme, sum(amount_fen) AS fen
    FROM postings WHERE kind IN ('voucher', 'claim') GROUP BY ALL
),
granted AS (
    SELECT agreement, programme, sum(grant_fen) AS fen, count(*) AS decisions
    FROM vouchers GROUP BY agreement, programme
)
SELECT 'vouchers: agreement ' || coalesce(p.agreement, g.agreement) || ' was granted '
    || coalesce(g.fen, 0) || ' fen by ' || coalesce(g.programme, p.programme)
    || ' and paid ' || coalesce(p.fen, 0)
FROM paid AS p FULL JOIN granted AS g
    ON g.agreement = p.agreement AND g.programme = p.programme
WHERE coalesce(p.fen, 0) <> coalesce(g.fen, 0)
UNION ALL
SELECT 'vouchers: agreement ' || agreement || ' has ' || count(*) || ' decisions'
FROM vouchers GROUP BY agreement HAVING count(*) > 1
ORDER BY 1;

-- buyer + voucher = seller + fees, agreement by agreement, out of the postings.
-- query: agreements
WITH posted AS (
    SELECT
        agreement,
        coalesce(sum(amount_fen) FILTER (kind = 'delivery'), 0) AS out_of_escrow_fen,
        coalesce(sum(amount_fen) FILTER (kind = 'fee'), 0) AS fee_fen
    FROM postings WHERE agreement IS NOT NULL GROUP BY agreement
)
SELECT 'agreements: ' || a.id || ' is worth ' || a.value_fen || ' fen with fees of ' || a.fee_fen
    || '; posted were ' || coalesce(p.out_of_escrow_fen, 0) || ' and ' || coalesce(p.fee_fen, 0)
FROM agreements AS a LEFT JOIN posted AS p ON p.agreement = a.id
WHERE a.value_fen <> coalesce(p.out_of_escrow_fen, 0) OR a.fee_fen <> coalesce(p.fee_fen, 0)
ORDER BY a.id;

-- query: voucher_states
SELECT 'vouchers: ' || v.id || ' (' || v.model || ') went through '
    || coalesce(string_agg(e.state, ', ' ORDER BY e.turn), 'no state')
FROM vouchers AS v LEFT JOIN voucher_events AS e ON e.voucher = v.id
GROUP BY v.id, v.model, v.grant_fen
HAVING coalesce(list(e.state ORDER BY e.turn), []) <> CASE
    WHEN v.grant_fen = 0 THEN ['rejected']
    WHEN v.model = 'deduct' THEN ['reserved', 'consumed']
    ELSE ['claimed', 'redeemed', 'paid'] END
ORDER BY v.id;
