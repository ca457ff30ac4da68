-- Posting: a batch's draft lines get their numbers in one canonical order and become postings.

-- query: begin
CREATE OR REPLACE TEMP TABLE draft (
    kind VARCHAR,
    from_account VARCHAR,
    to_account VARCHAR,
    amount_fen BIGINT,
    instrument VARCHAR,
    agreement BIGINT,
    sequence BIGINT
);

-- Cash is never negative after a batch: what an account cannot pay (a seller whose price fell
-- below the settlement price, before its proceeds are in) the venue advances, and the advance is
-- paid back out of the next money that comes in. A receivable's balance is minus what is owed.
-- query: level
INSERT INTO draft
WITH moved AS (
    SELECT from_account, to_account, amount_fen FROM postings
    UNION ALL
    SELECT from_account, to_account, amount_fen FROM draft
),
changes AS (
    SELECT to_account AS account, amount_fen FROM moved
    UNION ALL
    SELECT from_account, -amount_fen FROM moved
),
standing AS (
    SELECT
        split_part(account, ':', 1) AS kind, substr(account, strpos(account, ':') + 1) AS name,
        sum(amount_fen) AS balance_fen
    FROM changes
    WHERE account LIKE 'cash:%' OR account LIKE 'receivable:%'
    GROUP BY account
),
purses AS (
    SELECT
        name, coalesce(sum(balance_fen) FILTER (kind = 'cash'), 0) AS cash_fen,
        coalesce(-sum(balance_fen) FILTER (kind = 'receivable'), 0) AS owed_fen
    FROM standing GROUP BY name
)
SELECT 'advance', 'receivable:' || name, 'cash:' || name, -cash_fen, NULL, NULL, NULL
FROM purses WHERE cash_fen < 0
UNION ALL
SELECT 'repayment', 'cash:' || name, 'receivable:' || name, least(cash_fen, owed_fen),
    NULL, NULL, NULL
FROM purses WHERE cash_fen > 0 AND owed_fen > 0;

-- query: post
INSERT INTO postings
SELECT
    (SELECT coalesce(max(id), 0) FROM postings) + row_number() OVER canonical AS number,
    $batch, $day::DATE, kind, from_account, to_account, amount_fen, instrument, agreement, sequence
FROM draft
WINDOW canonical AS (
    ORDER BY
        list_position(
            ['deposit', 'withdrawal', 'difference', 'escrow', 'delivery', 'fee', 'voucher',
             'claim', 'advance', 'repayment'], kind
        ),
        sequence NULLS FIRST, instrument NULLS FIRST, agreement NULLS FIRST, from_account,
        to_account, amount_fen
)
ORDER BY number;
