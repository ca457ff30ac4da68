-- Netting: a day's trades become one settlement price per instrument, one position per account and
-- instrument, and three postings for it: the difference, what escrow holds, the fees.
--
-- With Q0, S0 the carried position and its price, V the day's buys minus sells in fen, and Q1, S1
-- the new position and settlement price, an account owes clearing  D = Q0*S0 + V - Q1*S1.  Trades
-- and positions add up to zero over all accounts, and so does D: clearing is flat. Escrow holds
-- max(Q, 0) * S.  A buyer's fees are charged at once; a seller's wait for the proceeds as long as
-- the account is short.

-- query: instrument_days
INSERT INTO instrument_days
SELECT
    $batch, i.symbol, i.tick_fen, count(*), sum(t.quantity),
    sum(t.price_ticks::BIGINT * t.quantity) * i.tick_fen,
    arg_min(t.price_ticks, t.trade_id), max(t.price_ticks), min(t.price_ticks),
    arg_max(t.price_ticks, t.trade_id),
    (2 * sum(t.price_ticks::BIGINT * t.quantity) + sum(t.quantity)) // (2 * sum(t.quantity))
FROM trades AS t JOIN instruments AS i ON i.batch = $batch AND i.id = t.instrument
WHERE t.batch = $batch
GROUP BY i.symbol, i.tick_fen
ORDER BY i.symbol;

-- query: positions
INSERT INTO positions
WITH side AS (
    SELECT
        instrument, buyer AS account, quantity AS bought, 0 AS sold,
        price_ticks::BIGINT * quantity AS bought_ticks, 0 AS sold_ticks,
        buyer_fee_fen AS buy_fee_fen, 0 AS sell_fee_fen, sequence AS buy_sequence
    FROM trades WHERE batch = $batch
    UNION ALL
    SELECT
        instrument, seller, 0, quantity, 0, price_ticks::BIGINT * quantity, 0, seller_fee_fen, NULL
    FROM trades WHERE batch = $batch
),
today AS (
    SELECT
        account, instrument, sum(bought) AS bought, sum(sold) AS sold,
        sum(bought_ticks) AS bought_ticks, sum(sold_ticks) AS sold_ticks,
        sum(buy_fee_fen) AS buy_fee_fen, sum(sell_fee_fen) AS sell_fee_fen,
        min(buy_sequence) AS buy_sequence
    FROM side GROUP BY account, instrument
),
traded AS (
    SELECT a.name AS account, i.symbol AS instrument, t.* EXCLUDE (account, instrument)
    FROM today AS t
    JOIN accounts AS a ON a.batch = $batch AND a.id = t.account
    JOIN instruments AS i ON i.batch = $batch AND i.id = t.instrument
),
carried AS (
    SELECT account, instrument, quantity, price_ticks, fee_due_fen, first_day, first_sequence
    FROM positions SEMI JOIN instrument_days AS d
        ON d.batch = $batch AND d.instrument = positions.instrument
    QUALIFY row_number() OVER (PARTITION BY account, instrument ORDER BY batch DESC) = 1
),
netted AS (
    SELECT
        coalesce(t.account, c.account) AS account, coalesce(t.instrument, c.instrument) AS symbol,
        coalesce(c.quantity, 0) AS q0, coalesce(c.price_ticks, 0) AS s0,
        coalesce(t.bought, 0) AS bought, coalesce(t.sold, 0) AS sold,
        coalesce(t.bought_ticks, 0) AS bought_ticks, coalesce(t.sold_ticks, 0) AS sold_ticks,
        q0 + coalesce(t.bought, 0) - coalesce(t.sold, 0) AS q1,
        coalesce(t.buy_fee_fen, 0) AS buy_fee_fen,
        coalesce(t.sell_fee_fen, 0) + coalesce(c.fee_due_fen, 0) AS sell_fee_fen,
        CASE WHEN q0 > 0 THEN c.first_day
             WHEN t.buy_sequence IS NOT NULL THEN $day::DATE END AS first_day,
        CASE WHEN q0 > 0 THEN c.first_sequence ELSE t.buy_sequence END AS first_sequence
    FROM traded AS t
    FULL JOIN (SELECT * FROM carried WHERE quantity <> 0) AS c
        ON c.account = t.account AND c.instrument = t.instrument
)
SELECT
    $batch, n.account, n.symbol, d.tick_fen, q0, s0, bought, sold, bought_ticks * d.tick_fen,
    sold_ticks * d.tick_fen, 0, q1, d.settlement_ticks,
    (q0::HUGEINT * s0 + bought_ticks - sold_ticks - q1::HUGEINT * d.settlement_ticks) * d.tick_fen,
    (greatest(q1, 0)::HUGEINT * d.settlement_ticks - greatest(q0, 0)::HUGEINT * s0) * d.tick_fen,
    buy_fee_fen + CASE WHEN q1 < 0 THEN 0 ELSE sell_fee_fen END,
    CASE WHEN q1 < 0 THEN sell_fee_fen ELSE 0 END,
    first_day, first_sequence
FROM netted AS n JOIN instrument_days AS d ON d.batch = $batch AND d.instrument = n.symbol
ORDER BY n.symbol, n.account;

-- query: transfers
INSERT INTO draft
SELECT
    CASE WHEN f.deposit THEN 'deposit' ELSE 'withdrawal' END,
    CASE WHEN f.deposit THEN 'bank' ELSE 'cash:' || a.name END,
    CASE WHEN f.deposit THEN 'cash:' || a.name ELSE 'bank' END,
    f.amount_fen, NULL, NULL, f.sequence
FROM columns AS f JOIN accounts AS a ON a.batch = $batch AND a.id = f.account;

-- query: differences
INSERT INTO draft
SELECT
    'difference',
    CASE WHEN difference_fen > 0 THEN 'cash:' || account ELSE 'clearing' END,
    CASE WHEN difference_fen > 0 THEN 'clearing' ELSE 'cash:' || account END,
    abs(difference_fen), instrument, NULL, NULL
FROM positions WHERE batch = $batch AND difference_fen <> 0;

-- query: escrow
INSERT INTO draft
SELECT
    'escrow',
    CASE WHEN escrow_fen > 0 THEN 'cash:' || account ELSE 'escrow:' || instrument END,
    CASE WHEN escrow_fen > 0 THEN 'escrow:' || instrument ELSE 'cash:' || account END,
    abs(escrow_fen), instrument, NULL, NULL
FROM positions WHERE batch = $batch AND escrow_fen <> 0;

-- query: fees
INSERT INTO draft
SELECT 'fee', 'cash:' || account, 'fees', fee_fen, instrument, NULL, NULL
FROM positions WHERE batch = $batch AND fee_fen > 0;
