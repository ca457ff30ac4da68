-- Audit: checks that must hold in any books, by the books alone. Each query returns the faults that
-- it finds, as text; no row is good.

-- Postings are numbered from 1 without gaps.
-- query: posting_numbers
SELECT 'postings: numbers run to ' || max(id) || ', but there are ' || count(*) || ' lines'
FROM postings HAVING count(*) > 0 AND (max(id) <> count(*) OR min(id) <> 1
    OR count(DISTINCT id) <> count(*));

-- A posting has the day of its batch.
-- query: posting_days
SELECT 'postings: line ' || p.id || ' has day ' || p.day || ', its batch ' || b.day
FROM postings AS p JOIN batches AS b ON b.id = p.batch WHERE b.day <> p.day ORDER BY p.id;

-- All balances sum to zero.
-- query: trial_balance
SELECT 'trial balance: all accounts sum to ' || sum(fen) || ' fen, not to 0' FROM (
    SELECT arg_max(balance_fen, batch) AS fen FROM balances GROUP BY account
) HAVING sum(fen) <> 0;

-- Every balance is the balance before it plus what the batch posted.
-- query: balances
WITH moved AS (
    SELECT batch, account, sum(fen) AS fen FROM (
        SELECT batch, to_account AS account, sum(amount_fen) AS fen FROM postings GROUP BY ALL
        UNION ALL
        SELECT batch, from_account, -sum(amount_fen) FROM postings GROUP BY ALL
    ) GROUP BY ALL
),
chained AS (
    SELECT batch, account, balance_fen,
        balance_fen - coalesce(lag(balance_fen) OVER (PARTITION BY account ORDER BY batch), 0)
            AS fen
    FROM balances
)
SELECT 'balances: ' || n.name || ' after batch ' || coalesce(c.batch, m.batch)
    || ' does not follow from the postings'
FROM moved AS m FULL JOIN chained AS c ON c.batch = m.batch AND c.account = m.account
JOIN names AS n ON n.id = coalesce(c.account, m.account)
WHERE m.fen IS DISTINCT FROM c.fen ORDER BY ALL;

-- From the opening of a day to its settlement no other batch moves cash.
-- query: open_day
WITH open AS (
    SELECT o.id, o.day, min(s.id) AS settled FROM standing AS o
    LEFT JOIN standing AS s ON s.kind = 'settlement' AND s.day = o.day AND s.id > o.id
    WHERE o.kind = 'opening' GROUP BY ALL
),
cash AS (
    SELECT DISTINCT b.batch FROM balances AS b JOIN names AS n ON n.id = b.account
    WHERE n.name LIKE 'cash:%'
)
SELECT 'open day: batch ' || b.id || ' (' || b.kind || ') moved cash while ' || o.day || ' was open'
FROM open AS o JOIN standing AS b ON b.id > o.id AND (o.settled IS NULL OR b.id < o.settled)
SEMI JOIN cash AS c ON c.batch = b.id
ORDER BY b.id;

-- Clearing is flat for each batch and instrument, because trades and positions sum to zero.
-- query: clearing
SELECT 'clearing: ' || coalesce(substr(i.name, 8), 'no instrument') || ' is off by '
    || sum(CASE WHEN to_account = c.id THEN amount_fen ELSE -amount_fen END)
    || ' fen in batch ' || p.batch
FROM postings AS p JOIN names AS c ON c.name = 'clearing' AND c.id IN (to_account, from_account)
LEFT JOIN names AS i ON i.id = p.instrument
GROUP BY p.batch, i.name
HAVING sum(CASE WHEN to_account = c.id THEN amount_fen ELSE -amount_fen END) <> 0
ORDER BY ALL;

-- Open positions of an instrument sum to zero.
-- query: flat_positions
SELECT 'positions: those in ' || substr(n.name, 8) || ' sum to ' || sum(quantity) || ', not to 0'
FROM open_positions AS p JOIN names AS n ON n.id = p.instrument
GROUP BY n.name HAVING sum(quantity) <> 0 ORDER BY n.name;

-- Every trade of a block has a group, and no other trade has one.
-- query: block_trades
SELECT 'block_trades: trade ' || coalesce(t.trade_id, k.trade_id) || ' of batch '
    || coalesce(t.batch, k.batch) || CASE WHEN t.batch IS NULL THEN ' is no trade of a block'
    ELSE ' has no group' END
FROM (SELECT batch, trade_id FROM trades WHERE flags & 24 <> 0) AS t
FULL JOIN block_trades AS k ON k.batch = t.batch AND k.trade_id = t.trade_id
WHERE t.batch IS NULL OR k.batch IS NULL ORDER BY ALL;

-- A block trades the same lots in each of several hours.
-- query: block_hours
SELECT 'block_trades: group ' || trade_group || ' of batch ' || batch || ' traded ' || min(lots)
    || ' to ' || max(lots) || ' lots in ' || count(*) || ' hours'
FROM (
    SELECT k.batch, k.trade_group, side, t.instrument, sum(t.quantity) AS lots
    FROM block_trades AS k
    JOIN trades AS t ON t.batch = k.batch AND t.trade_id = k.trade_id
    JOIN (VALUES (8), (16)) AS sides(side) ON t.flags & side <> 0
    GROUP BY ALL
)
GROUP BY batch, trade_group, side HAVING min(lots) <> max(lots) OR count(*) < 2 ORDER BY ALL;

-- An agreement has no more lots of blocks in an instrument than lots.
-- query: block_nominations
SELECT 'block_nominations: agreement ' || k.agreement || ' has more lots of blocks than lots'
FROM (SELECT batch, agreement, instrument, sum(quantity) AS quantity FROM block_nominations
    GROUP BY ALL) AS k
LEFT JOIN nominations AS n
    ON n.batch = k.batch AND n.agreement = k.agreement AND n.instrument = k.instrument
WHERE coalesce(n.quantity, 0) < k.quantity ORDER BY ALL;

-- Escrow and performance deposits equal the worth of open positions and undelivered nominations.
-- query: escrow
WITH waiting AS (
    SELECT n.* FROM nominations AS n
    SEMI JOIN standing AS b ON b.id = n.batch
    ANTI JOIN (SELECT agreement FROM deliveries AS d SEMI JOIN standing AS b ON b.id = d.batch)
        AS d ON d.agreement = n.agreement
),
due AS (
    SELECT instrument AS account, sum(fen) AS fen FROM (
        SELECT instrument, sum(greatest(quantity, 0)::HUGEINT * price_ticks * tick_fen) AS fen
        FROM open_positions GROUP BY instrument
        UNION ALL
        SELECT instrument, sum(value_fen) FROM waiting GROUP BY instrument
    ) GROUP BY instrument
),
guaranteed AS (
    SELECT name, sum(fen) AS fen FROM (
        SELECT substr(n.name, 6) AS name, sum(guaranteed_fen) AS fen
        FROM open_positions AS p JOIN names AS n ON n.id = p.account GROUP BY ALL
        UNION ALL
        SELECT substr(n.name, 6), sum(guaranteed_fen)
        FROM waiting AS w JOIN agreements AS a ON a.id = w.agreement
        JOIN names AS n ON n.id = a.supplier GROUP BY ALL
    ) GROUP BY name
),
held AS (
    SELECT n.name, arg_max(b.balance_fen, b.batch) AS fen
    FROM balances AS b JOIN names AS n ON n.id = b.account
    WHERE n.name LIKE 'escrow:%' OR n.name LIKE 'guarantee:%' GROUP BY n.name
),
expected AS (
    SELECT n.name, d.fen FROM due AS d JOIN names AS n ON n.id = d.account
    UNION ALL
    SELECT 'guarantee:' || name, fen FROM guaranteed
)
SELECT replace(coalesce(h.name, e.name), ':', ': ') || ' holds ' || coalesce(h.fen, 0)
    || ' fen, what it stands for is worth ' || coalesce(e.fen, 0)
FROM held AS h FULL JOIN expected AS e ON e.name = h.name
WHERE coalesce(h.fen, 0) <> coalesce(e.fen, 0) ORDER BY 1;

-- Cash, escrow and deposits are not negative, and no account repays more than was advanced.
-- query: purses
SELECT 'balance: ' || n.name || ' is at ' || balance_fen || ' fen after batch ' || b.batch
FROM balances AS b JOIN names AS n ON n.id = b.account
WHERE CASE
    WHEN n.name LIKE 'cash:%' OR n.name LIKE 'guarantee:%' OR n.name LIKE 'escrow:%'
        THEN balance_fen < 0
    WHEN n.name LIKE 'receivable:%' THEN balance_fen > 0
    ELSE false END
ORDER BY b.batch, n.name;

-- No pool grants more than its cap of the year. Where one of its versions has no cap, the pool is not
-- limited.
-- query: pools
SELECT 'pool: ' || substr(n.name, 11) || ' granted ' || sum(grant_fen - freed_fen)
    || ' fen in ' || year || ', it has ' || max(pool_cap_fen)
FROM (
    SELECT v.*, coalesce(f.fen, 0) AS freed_fen FROM vouchers AS v
    SEMI JOIN standing AS b ON b.id = v.batch
    LEFT JOIN (SELECT voucher, sum(amount_fen) AS fen FROM freed GROUP BY voucher) AS f
        ON f.voucher = v.id
) AS v JOIN names AS n ON n.id = v.programme
GROUP BY n.name, year
HAVING sum(grant_fen - freed_fen) > max(pool_cap_fen) AND count(*) = count(pool_cap_fen)
ORDER BY ALL;

-- No funder pays more than its ceiling of the year.
-- query: funders
SELECT 'pool: ' || n.name || ' paid ' || sum(s.amount_fen) || ' fen for ' || v.year
    || ', its ceiling is ' || max(f.cap_fen)
FROM voucher_shares AS s
SEMI JOIN standing AS b ON b.id = s.batch
JOIN vouchers AS v ON v.id = s.voucher
JOIN (SELECT DISTINCT version, pool, cap_fen FROM funders) AS f
    ON f.pool = s.pool AND f.version = v.version
JOIN names AS n ON n.id = s.pool
GROUP BY n.name, v.year
HAVING sum(s.amount_fen) > max(f.cap_fen) AND count(*) = count(f.cap_fen)
ORDER BY ALL;

-- The funders' payments for an agreement equal what its voucher consumed or paid, and an agreement
-- has one decision.
-- query: payments
WITH paid AS (
    SELECT agreement, split_part(n.name, ':', 2) AS programme,
        sum(CASE WHEN n.id = from_account THEN amount_fen ELSE -amount_fen END) AS fen
    FROM postings SEMI JOIN standing AS b ON b.id = postings.batch
    JOIN names AS n ON n.id IN (from_account, to_account) AND n.name LIKE 'pool:%'
    WHERE kind IN ('voucher', 'claim', 'clawback') AND agreement IS NOT NULL GROUP BY ALL
),
due AS (
    SELECT v.agreement, substr(n.name, 11) AS programme,
        sum(CASE WHEN e.state = 'clawed-back' THEN -e.amount_fen ELSE e.amount_fen END)
            FILTER (e.state IN ('consumed', 'paid', 'clawed-back')) AS fen
    FROM vouchers AS v
    JOIN names AS n ON n.id = v.programme
    JOIN voucher_events AS e ON e.voucher = v.id
    SEMI JOIN standing AS b ON b.id = e.batch
    WHERE v.agreement IS NOT NULL
    GROUP BY v.agreement, n.name
),
shared AS (
    SELECT v.agreement, sum(s.amount_fen) AS fen FROM voucher_shares AS s
    SEMI JOIN standing AS b ON b.id = s.batch JOIN vouchers AS v ON v.id = s.voucher
    GROUP BY v.agreement
)
SELECT 'vouchers: agreement ' || coalesce(p.agreement, g.agreement) || ' has '
    || coalesce(g.fen, 0) || ' fen due from ' || coalesce(g.programme, p.programme)
    || ', shared ' || coalesce(s.fen, 0) || ' and paid ' || coalesce(p.fen, 0)
FROM paid AS p FULL JOIN due AS g
    ON g.agreement = p.agreement AND g.programme = p.programme
LEFT JOIN shared AS s ON s.agreement = coalesce(p.agreement, g.agreement)
WHERE coalesce(p.fen, 0) <> coalesce(g.fen, 0) OR coalesce(s.fen, 0) <> coalesce(g.fen, 0)
UNION ALL
SELECT 'vouchers: agreement ' || agreement || ' has ' || count(*) || ' decisions'
FROM vouchers WHERE agreement IS NOT NULL GROUP BY agreement HAVING count(*) > 1
ORDER BY 1;

-- An agreement is the sum of its nominations and of its deliveries. Its postings equal its
-- deliveries to the fen, so that buyer + voucher = seller + fees.
-- query: agreements
WITH nominated AS (
    SELECT agreement, sum(value_fen) AS value_fen, sum(fee_fen) AS fee_fen,
        sum(quantity) AS quantity
    FROM nominations GROUP BY agreement
),
delivered AS (
    SELECT agreement, sum(value_fen) AS value_fen, sum(refund_fen) AS refund_fen,
        sum(fee_fen) AS fee_fen, sum(penalty_fen) AS penalty_fen
    FROM deliveries SEMI JOIN standing AS b ON b.id = deliveries.batch GROUP BY agreement
),
lost AS (
    SELECT agreement, sum(refund_fen) AS refund_fen, sum(penalty_fen) AS penalty_fen
    FROM shortfalls SEMI JOIN standing AS b ON b.id = shortfalls.batch GROUP BY agreement
),
posted AS (
    SELECT
        agreement,
        coalesce(sum(amount_fen) FILTER (kind = 'delivery'), 0) AS value_fen,
        coalesce(sum(amount_fen) FILTER (kind = 'refund'), 0) AS refund_fen,
        coalesce(sum(amount_fen) FILTER (kind = 'fee'), 0) AS fee_fen,
        coalesce(sum(amount_fen) FILTER (kind = 'penalty'), 0) AS penalty_fen
    FROM postings SEMI JOIN standing AS b ON b.id = postings.batch
    WHERE agreement IS NOT NULL GROUP BY agreement
)
SELECT 'agreements: ' || a.id || ' is worth ' || a.value_fen || ' fen with fees of ' || a.fee_fen
    || '; its lines are ' || coalesce(n.value_fen, 0) || ' and ' || coalesce(n.fee_fen, 0)
FROM agreements AS a LEFT JOIN nominated AS n ON n.agreement = a.id
WHERE a.value_fen IS DISTINCT FROM n.value_fen OR a.fee_fen IS DISTINCT FROM n.fee_fen
    OR a.quantity IS DISTINCT FROM n.quantity
UNION ALL
SELECT 'agreements: ' || a.id || ' is worth ' || a.value_fen || ' fen; delivered were '
    || d.value_fen || ' and refunded ' || d.refund_fen
FROM agreements AS a JOIN delivered AS d ON d.agreement = a.id
WHERE a.value_fen <> d.value_fen + d.refund_fen OR a.fee_fen <> d.fee_fen
UNION ALL
SELECT 'agreements: ' || coalesce(d.agreement, p.agreement)
    || ': what was posted is not what was delivered'
FROM delivered AS d FULL JOIN posted AS p ON p.agreement = d.agreement
LEFT JOIN lost AS l ON l.agreement = coalesce(d.agreement, p.agreement)
WHERE coalesce(d.value_fen, 0) <> coalesce(p.value_fen, 0)
    OR coalesce(d.refund_fen, 0) + coalesce(l.refund_fen, 0) <> coalesce(p.refund_fen, 0)
    OR coalesce(d.fee_fen, 0) <> coalesce(p.fee_fen, 0)
    OR coalesce(d.penalty_fen, 0) + coalesce(l.penalty_fen, 0) <> coalesce(p.penalty_fen, 0)
ORDER BY 1;

-- No more is found missing than was delivered.
-- query: shortfalls
WITH lost AS (
    SELECT agreement, instrument, sum(lost_millionths) AS millionths, sum(refund_fen) AS fen
    FROM shortfalls SEMI JOIN standing AS b ON b.id = shortfalls.batch GROUP BY ALL
)
SELECT 'shortfalls: agreement ' || l.agreement || ' lost ' || l.millionths
    || ' millionths and ' || l.fen || ' fen of ' || coalesce(d.delivered_millionths, 0) || ' and '
    || coalesce(d.value_fen, 0)
FROM lost AS l
LEFT JOIN (SELECT * FROM deliveries SEMI JOIN standing AS b ON b.id = deliveries.batch) AS d
    ON d.agreement = l.agreement AND d.instrument = l.instrument
WHERE l.millionths > coalesce(d.delivered_millionths, 0) OR l.fen > coalesce(d.value_fen, 0)
ORDER BY 1;

-- A meter line is in the books once.
-- query: metered_once
SELECT 'meterings: line ' || meter || ' stands in the books ' || count(*) || ' times'
FROM meterings SEMI JOIN standing AS b ON b.id = meterings.batch
GROUP BY meter HAVING count(*) > 1 ORDER BY 1;

-- Every step of a voucher or application is one of `voucher_steps`, and steps are numbered without
-- gaps.
-- query: voucher_states
WITH lived AS (
    SELECT v.model::VARCHAR AS life, 'vouchers: ' || v.id AS name, e.turn, e.state::VARCHAR AS state
    FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
    JOIN (SELECT * FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch)
        AS e ON e.voucher = v.id
    UNION ALL
    SELECT 'application', 'applications: ' || e.application, e.turn, e.state::VARCHAR
    FROM application_events AS e SEMI JOIN standing AS b ON b.id = e.batch
),
chained AS (
    SELECT *, coalesce(lag(state) OVER one, 'none') AS before,
        coalesce(lag(turn) OVER one, 0) + 1 AS due
    FROM lived WINDOW one AS (PARTITION BY name ORDER BY turn)
)
SELECT c.name || ' (' || c.life || ') went from ' || c.before || ' to ' || c.state
FROM chained AS c
ANTI JOIN voucher_steps AS s ON s.life = c.life AND s.before = c.before AND s.after = c.state
    AND c.turn = c.due
UNION ALL
SELECT 'vouchers: ' || v.id || ' (' || v.model || ') went through no state'
FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
ANTI JOIN voucher_events AS e ON e.voucher = v.id
WHERE v.model = 'deduct' OR v.grant_fen = 0
UNION ALL
SELECT name || ' was redeemed, but not paid' FROM chained
GROUP BY name HAVING arg_max(state, turn) = 'redeemed'
UNION ALL
SELECT 'vouchers: ' || e.voucher || ' stands nowhere, but went to ' || e.state
FROM voucher_events AS e SEMI JOIN standing AS b ON b.id = e.batch
ANTI JOIN vouchers AS v ON v.id = e.voucher
ORDER BY 1;

-- The states of a voucher or claim add up to no more than its grant.
-- query: voucher_amounts
SELECT 'vouchers: ' || v.id || ' has a grant of ' || v.grant_fen || ' fen, its states add up to '
    || coalesce(sum(e.amount_fen) FILTER (e.state IN ('reduced', 'released', 'confirmed')), 0)
    || ' given up, ' || coalesce(max(e.amount_fen) FILTER (e.state IN ('consumed', 'paid')), 0)
    || ' paid and '
    || coalesce(sum(e.amount_fen) FILTER (e.state = 'clawed-back'), 0) || ' clawed back'
FROM vouchers AS v SEMI JOIN standing AS b ON b.id = v.batch
JOIN (SELECT * FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch)
    AS e ON e.voucher = v.id
GROUP BY v.id, v.grant_fen
HAVING coalesce(sum(e.amount_fen) FILTER (e.state IN (
        'reduced', 'released', 'confirmed', 'consumed', 'paid')), 0) > v.grant_fen
    OR coalesce(sum(e.amount_fen) FILTER (e.state = 'clawed-back'), 0)
        > coalesce(max(e.amount_fen) FILTER (e.state IN ('consumed', 'paid')), 0)
ORDER BY v.id;

-- No firm was issued more than was approved, was approved more than it applied for, or holds more
-- in a year than the programme's caps allow.
-- query: applications
WITH lives AS (SELECT * FROM application_lives),
caps AS (SELECT DISTINCT programme, version, firm_cap_fen, pool_cap_fen FROM programmes)
SELECT 'applications: ' || id || ' was issued ' || worth_fen || ' fen of ' || approved_fen
    || ' approved, applied for were ' || amount_fen
FROM lives WHERE worth_fen > approved_fen OR approved_fen > amount_fen
UNION ALL
SELECT 'applications: ' || n.name || ' holds ' || sum(worth_fen) || ' fen in ' || year
    || ', its cap is ' || max(firm_cap_fen)
FROM lives JOIN caps USING (programme, version) JOIN names AS n ON n.id = lives.firm
GROUP BY n.name, programme, year HAVING sum(worth_fen) > max(firm_cap_fen)
UNION ALL
SELECT 'applications: ' || n.name || ' issued ' || sum(worth_fen) || ' fen in ' || year
    || ', its pool is ' || max(pool_cap_fen)
FROM lives JOIN caps USING (programme, version) JOIN names AS n ON n.id = lives.programme
GROUP BY n.name, year HAVING sum(worth_fen) > max(pool_cap_fen)
ORDER BY 1;

-- A supplier gets no more than the rate of its contract amounts, a funder pays no more than its
-- ceiling, and what was granted was posted.
-- query: supplier_grants
WITH granted AS (
    SELECT s.*, f.cap_fen FROM supplier_grants AS s SEMI JOIN standing AS b ON b.id = s.batch
    LEFT JOIN (SELECT DISTINCT version, pool, cap_fen FROM funders) AS f
        ON f.pool = s.pool AND f.version = s.version
)
SELECT 'suppliers: ' || n.name || ' got ' || sum(grant_fen) || ' fen of a want of ' || max(want_fen)
FROM granted JOIN names AS n ON n.id = supplier
GROUP BY n.name, programme, year HAVING sum(grant_fen) > max(want_fen)
UNION ALL
SELECT 'suppliers: ' || n.name || ' paid ' || sum(grant_fen) || ' fen for ' || year
    || ', its ceiling is ' || max(cap_fen)
FROM granted JOIN names AS n ON n.id = pool
GROUP BY n.name, year HAVING sum(grant_fen) > max(cap_fen)
UNION ALL
SELECT 'suppliers: batch ' || g.batch || ' granted ' || g.fen || ' fen and posted '
    || coalesce(p.fen, 0)
FROM (SELECT batch, sum(grant_fen) AS fen FROM granted GROUP BY batch) AS g
LEFT JOIN (
    SELECT batch, sum(CASE kind WHEN 'subsidy' THEN amount_fen ELSE -amount_fen END) AS fen
    FROM postings WHERE kind = 'subsidy' OR (kind = 'clawback' AND agreement IS NULL) GROUP BY batch
) AS p ON p.batch = g.batch
WHERE g.fen <> coalesce(p.fen, 0)
ORDER BY 1;

-- A supplier and its buyer never both claim for one agreement; a share-out counts exactly the
-- agreements that it lists.
-- query: both_claimed
SELECT 'suppliers: agreement ' || s.agreement || ' was counted for its supplier, and its buyer''s '
    || 'voucher ' || v.id || ' went to ' || e.state
FROM supplier_agreements AS s SEMI JOIN standing AS b ON b.id = s.batch
JOIN vouchers AS v ON v.agreement = s.agreement
JOIN (SELECT * FROM voucher_events SEMI JOIN standing AS b ON b.id = voucher_events.batch) AS e
    ON e.voucher = v.id AND e.state IN ('consumed', 'claimed', 'paid')
UNION ALL
SELECT 'suppliers: ' || n.name || ' has ' || g.fen || ' fen of agreements in batch ' || g.batch
    || ', those listed are ' || coalesce(l.fen, 0)
FROM (SELECT batch, supplier, max(amount_fen) AS fen FROM supplier_grants
    SEMI JOIN standing AS b ON b.id = supplier_grants.batch AND b.kind = 'claims' GROUP BY ALL) AS g
LEFT JOIN (SELECT batch, supplier, sum(value_fen) AS fen FROM supplier_agreements GROUP BY ALL) AS l
    ON l.batch = g.batch AND l.supplier = g.supplier
JOIN names AS n ON n.id = g.supplier
WHERE g.fen IS DISTINCT FROM l.fen
ORDER BY 1;
