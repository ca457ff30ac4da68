-- Posting: writes a batch's drafts, in their final order, as postings.
--
-- A kind is given by its position in `posting_kind`, which is several times faster than its name.

-- query: post
INSERT INTO postings
SELECT
    id, $batch, $day::DATE, CASE kind
        WHEN 0 THEN 'deposit'
        WHEN 1 THEN 'withdrawal'
        WHEN 2 THEN 'difference'
        WHEN 3 THEN 'escrow'
        WHEN 4 THEN 'guarantee'
        WHEN 5 THEN 'delivery'
        WHEN 6 THEN 'refund'
        WHEN 7 THEN 'fee'
        WHEN 8 THEN 'fee-refund'
        WHEN 9 THEN 'penalty'
        WHEN 10 THEN 'release'
        WHEN 11 THEN 'voucher'
        WHEN 12 THEN 'claim'
        WHEN 13 THEN 'subsidy'
        WHEN 14 THEN 'clawback'
        WHEN 15 THEN 'advance'
        WHEN 16 THEN 'repayment'
    END::posting_kind, from_account, to_account, amount_fen,
    CASE WHEN instrument > 0 THEN instrument END, CASE WHEN agreement > 0 THEN agreement END,
    CASE WHEN sequence > 0 THEN sequence END
FROM columns;
