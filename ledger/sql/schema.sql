-- Schema of the books: tables, enumerations and views of one year. Every table is append-only;
-- `books/schema.py` adds the triggers.
--
-- Money is BIGINT fen, prices are ticks, quantities are lots, times are nanoseconds since the
-- epoch, days are dates in Asia/Shanghai. Each row has the number of the batch that wrote it; a
-- batch holds the rows of one transaction, of one day and kind. Accounts, firms, contracts and
-- programmes have numbers for ever (`names`), because numbers are several times faster to sort,
-- join, hash and store; the views at the end show names. Big tables have no keys, because a key
-- costs six times the load; `verify` proves by a query that their rows are unique.

CREATE TYPE batch_kind AS ENUM (
    'settlement', 'nomination', 'delivery', 'shortfall', 'claims', 'vouchers', 'reversal', 'opening'
);
CREATE TYPE posting_kind AS ENUM (
    'deposit', 'withdrawal', 'difference', 'escrow', 'guarantee', 'delivery', 'refund', 'fee',
    'fee-refund', 'penalty', 'release', 'voucher', 'claim', 'subsidy', 'clawback', 'advance', 'repayment'
);
CREATE TYPE voucher_state AS ENUM (
    'applied', 'approved', 'issued', 'reserved', 'confirmed', 'consumed', 'claimed', 'redeemed',
    'paid', 'reduced', 'released', 'rejected', 'expired', 'clawed-back'
);
CREATE TYPE voucher_binding AS ENUM (
    'rate', 'agreement', 'voucher', 'firm-year', 'pool-year', 'funder-year', 'minimum', 'share'
);
CREATE TYPE voucher_rule AS ENUM (
    'first-come', 'in-proportion'
);
CREATE TYPE payment_model AS ENUM (
    'deduct', 'reimburse'
);
CREATE TYPE delivery_source AS ENUM (
    'assumed in full', 'metered', 'not metered'
);

CREATE TABLE ledger_schema (
    version INTEGER NOT NULL
);

-- One row a batch. Its sha256 covers its input, its rows and the batch before it. A reversal names
-- the batch that it cancels; the day may then be settled again, in the next revision.
CREATE TABLE batches (
    id BIGINT PRIMARY KEY,
    kind batch_kind NOT NULL,
    day DATE NOT NULL,
    revision INTEGER NOT NULL,
    venue VARCHAR NOT NULL,
    input_sha256 VARCHAR NOT NULL,
    reverses BIGINT UNIQUE,
    lines_sha256 VARCHAR NOT NULL,
    previous_sha256 VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL
);

-- Numbers of accounts (bank, cash:<account>, escrow:<instrument>, ...), firms (firm:<name>),
-- contracts (contract:<code>) and programmes (programme:<id>). The number of a trading account is
-- that of its cash, the number of an instrument that of its escrow.
CREATE TABLE names (
    batch BIGINT NOT NULL,
    id INTEGER PRIMARY KEY,
    name VARCHAR NOT NULL UNIQUE
);

-- Reference data of the day's registry, as far as the books need it; `number` is the registry's
-- own.
CREATE TABLE firms (
    batch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    firm INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    city VARCHAR NOT NULL,
    province VARCHAR NOT NULL,
    related_group BIGINT NOT NULL
);

CREATE TABLE accounts (
    batch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    account INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    firm INTEGER NOT NULL
);

CREATE TABLE contracts (
    batch BIGINT NOT NULL,
    contract INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    hub VARCHAR NOT NULL,
    city VARCHAR NOT NULL,
    province VARCHAR NOT NULL,
    tick_fen BIGINT NOT NULL,
    deposit_fen BIGINT NOT NULL, -- performance deposit per lot sold short
    penalty_bp BIGINT NOT NULL, -- of the undelivered value
    reference_ticks BIGINT NOT NULL -- settlement price before the first trade
);

-- Chips that may deliver a contract, with their rating on the day.
CREATE TABLE contract_chips (
    batch BIGINT NOT NULL,
    contract INTEGER NOT NULL,
    chip VARCHAR NOT NULL,
    dense_fp16_tflops BIGINT NOT NULL
);

CREATE TABLE instruments (
    batch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    instrument INTEGER NOT NULL,
    symbol VARCHAR NOT NULL,
    contract INTEGER NOT NULL,
    delivery_day DATE NOT NULL,
    start_s BIGINT NOT NULL,
    end_s BIGINT NOT NULL,
    gate_s BIGINT NOT NULL
);

-- Versions of voucher programmes in the day's registry.
CREATE TABLE programmes (
    batch BIGINT NOT NULL,
    turn INTEGER NOT NULL, -- position in the registry: the first eligible programme decides
    programme INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    model payment_model NOT NULL,
    side VARCHAR NOT NULL,
    rule voucher_rule NOT NULL,
    application BOOLEAN NOT NULL, -- whether a firm must hold an issued voucher first
    effective_from DATE NOT NULL,
    effective_until DATE, -- inclusive; NULL: open
    signed_from DATE, -- first trading day of agreements that count; NULL: any
    term_days_max BIGINT, -- longest time from signing to delivery; NULL: any
    rate_bp BIGINT NOT NULL,
    agreement_cap_fen BIGINT, -- NULL: no such cap
    firm_cap_fen BIGINT,
    redeemed_cap_fen BIGINT, -- of a firm and year, counted at redemption
    pool_cap_fen BIGINT,
    firm_spend_min_fen BIGINT, -- spend of a firm and year that must be reached first
    spend_counts_back BOOLEAN NOT NULL, -- whether spend below the minimum counts later
    claim_days_max BIGINT, -- after delivery; a claim redeemed later expires
    firm_kinds VARCHAR[] NOT NULL, -- empty lists: no such condition
    kinds_first VARCHAR[] NOT NULL, -- kinds of firm that are served first
    buyer_cities VARCHAR[] NOT NULL,
    buyer_provinces VARCHAR[] NOT NULL,
    compute_hubs VARCHAR[] NOT NULL,
    compute_provinces VARCHAR[] NOT NULL
);

-- Funders of a programme's version, with their weights.
CREATE TABLE funders (
    batch BIGINT NOT NULL,
    programme INTEGER NOT NULL,
    version INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    weight BIGINT NOT NULL,
    cap_fen BIGINT -- of a year; NULL: none
);

-- One row a trade. Sessions and refs identify the orders, `sequence` the command. Parties and
-- instruments are the registry's numbers.
CREATE TABLE trades (
    batch BIGINT,
    trade_id BIGINT,
    sequence BIGINT,
    time_ns BIGINT,
    instrument INTEGER,
    price_ticks INTEGER,
    quantity INTEGER,
    buyer INTEGER,
    seller INTEGER,
    buyer_fee_fen INTEGER,
    seller_fee_fen INTEGER,
    buyer_session INTEGER,
    buyer_ref BIGINT,
    seller_session INTEGER,
    seller_ref BIGINT,
    -- sum of 1: the buyer is the taker, 2: in an uncross, 4: off the book, 8: the buyer's order is
    -- a block, 16: the seller's order is a block
    flags TINYINT
);

-- Trades of blocks. Trades with the same day and group traded together or not at all.
CREATE TABLE block_trades (
    batch BIGINT,
    trade_id BIGINT,
    trade_group BIGINT
);

-- One row a busted trade, of this day or of an earlier one. Fees are those given back.
CREATE TABLE busts (
    batch BIGINT,
    trade_id BIGINT,
    sequence BIGINT,
    time_ns BIGINT,
    instrument INTEGER,
    price_ticks INTEGER,
    quantity INTEGER,
    buyer INTEGER,
    seller INTEGER,
    buyer_fee_fen INTEGER,
    seller_fee_fen INTEGER
);

-- One row for each instrument that traded. Settlement price: volume-weighted average, half up.
CREATE TABLE instrument_days (
    batch BIGINT,
    instrument INTEGER,
    tick_fen BIGINT,
    trades BIGINT,
    volume BIGINT,
    turnover_fen BIGINT,
    open_ticks INTEGER, -- open to close: of trades in the book; NULL: none
    high_ticks INTEGER,
    low_ticks INTEGER,
    close_ticks INTEGER,
    settlement_ticks INTEGER
);

-- Changes of an account's position in an instrument by a batch. The latest row has the current
-- state.
CREATE TABLE positions (
    batch BIGINT,
    account INTEGER,
    instrument INTEGER,
    tick_fen BIGINT,
    opening_quantity BIGINT,
    opening_ticks INTEGER,
    bought BIGINT,
    sold BIGINT,
    bought_fen BIGINT,
    sold_fen BIGINT,
    delivered BIGINT, -- change by delivery: negative for a long position
    quantity BIGINT,
    price_ticks INTEGER,
    difference_fen BIGINT, -- positive: the account pays clearing
    escrow_fen BIGINT, -- positive: the account pays into escrow
    guaranteed_fen BIGINT, -- performance deposit held after this batch
    fee_fen BIGINT, -- charged by this batch; negative: returned
    fee_due_fen BIGINT, -- sellers' fees charged with the proceeds
    first_day DATE, -- of the first buy (or bust of a sale) of the long position
    first_sequence BIGINT
);

-- Double-entry lines: an amount from one account to another.
CREATE TABLE postings (
    id BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    day DATE NOT NULL,
    kind posting_kind NOT NULL,
    from_account INTEGER NOT NULL,
    to_account INTEGER NOT NULL,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    instrument INTEGER,
    agreement BIGINT,
    sequence BIGINT, -- command of a deposit or withdrawal
    CHECK (from_account <> to_account)
);

-- Balances after a batch, of the accounts that it changed.
CREATE TABLE balances (
    batch BIGINT,
    account INTEGER,
    balance_fen BIGINT
);

-- Service agreements; programmes call one a contract.
CREATE TABLE agreements (
    batch BIGINT,
    id BIGINT,
    buyer INTEGER,
    supplier INTEGER,
    contract INTEGER,
    delivery_day DATE,
    quantity BIGINT,
    value_fen BIGINT, -- at settlement prices: the base of vouchers
    fee_fen BIGINT, -- the supplier's fees that are charged on delivery
    buyer_firm INTEGER,
    supplier_firm INTEGER,
    related BOOLEAN, -- buyer and supplier are one firm or of one group
    first_day DATE,
    first_sequence BIGINT
);

-- Lots that a supplier must deliver to a buyer, one row for each agreement and instrument.
CREATE TABLE nominations (
    batch BIGINT,
    agreement BIGINT,
    instrument INTEGER,
    quantity BIGINT,
    price_ticks INTEGER,
    value_fen BIGINT,
    fee_fen BIGINT,
    guaranteed_fen BIGINT -- its part of the supplier's performance deposit
);

-- Lots of a nomination that the buyer bought as a block, identified by the batch of its trades and
-- their group. A block with one supplier has one agreement a day of delivery; otherwise this is its
-- split.
CREATE TABLE block_nominations (
    batch BIGINT,
    agreement BIGINT,
    instrument INTEGER,
    trade_batch BIGINT,
    trade_group BIGINT,
    quantity BIGINT
);

-- Result of each nomination. Quantities are in millionths of a lot, because a node may be up for a
-- part of its hour. Value and refund sum to the nominated value.
CREATE TABLE deliveries (
    batch BIGINT,
    agreement BIGINT,
    instrument INTEGER,
    nominated BIGINT, -- lots
    delivered_millionths BIGINT,
    excess_millionths BIGINT, -- metered beyond the nomination: recorded, not paid
    source delivery_source,
    value_fen BIGINT,
    refund_fen BIGINT,
    fee_fen BIGINT,
    penalty_fen BIGINT
);

-- Metered quantities, one row a line of the meters' files.
CREATE TABLE meterings (
    batch BIGINT,
    meter VARCHAR, -- the meter's own number of the line, unique
    agreement BIGINT,
    instrument INTEGER,
    chip VARCHAR,
    gpus BIGINT,
    available_s BIGINT,
    delivered_millionths BIGINT
);

-- Quantities found missing after the delivery; units as in `deliveries`.
CREATE TABLE shortfalls (
    batch BIGINT,
    finding VARCHAR, -- the finder's own number, unique
    agreement BIGINT,
    instrument INTEGER,
    chip VARCHAR,
    gpus BIGINT,
    available_s BIGINT, -- here: seconds of missing uptime
    lost_millionths BIGINT,
    refund_fen BIGINT,
    penalty_fen BIGINT
);

-- Applications of firms for a voucher of a programme and year. Their states are in
-- `application_events`.
CREATE TABLE applications (
    batch BIGINT,
    id BIGINT,
    programme INTEGER,
    version INTEGER,
    firm INTEGER,
    year INTEGER,
    supplier_firm INTEGER, -- the only supplier that the voucher pays; NULL: any
    amount_fen BIGINT
);

-- States of applications, numbered by `turn`.
CREATE TABLE application_events (
    batch BIGINT,
    application BIGINT,
    turn INTEGER,
    state voucher_state,
    day DATE,
    amount_fen BIGINT,
    valid_until DATE, -- last day of delivery that an issued voucher pays for
    reason VARCHAR
);

-- Decisions of programmes with all of their inputs; `id` is the order of claims. A decision is on
-- an agreement or, after a trading day, on a long position (account and instrument), for which a
-- voucher is reserved until its supplier is known.
CREATE TABLE vouchers (
    batch BIGINT,
    id BIGINT,
    agreement BIGINT, -- NULL: a reservation for a position
    account INTEGER, -- of the position; NULL: on an agreement
    instrument INTEGER,
    application BIGINT, -- the issued voucher that it uses; NULL: none needed
    programme INTEGER,
    version INTEGER,
    rule voucher_rule,
    model payment_model,
    tier INTEGER, -- 0: a kind of firm that the programme serves first
    firm INTEGER,
    year INTEGER,
    value_fen BIGINT,
    base_fen BIGINT,
    rate_bp BIGINT,
    want_fen BIGINT,
    agreement_cap_fen BIGINT,
    firm_cap_fen BIGINT, -- of the firm and year, or the worth of its issued voucher
    before_firm_fen BIGINT, -- used before of that cap
    pool_cap_fen BIGINT,
    before_pool_fen BIGINT,
    spend_min_fen BIGINT, -- of the firm and year; NULL: no minimum
    before_spend_fen BIGINT, -- spend of the firm and year before
    funder_cap_fen BIGINT, -- limit of the grant by the funders' own ceilings
    grant_fen BIGINT,
    binding voucher_binding -- the limit at which the grant stopped
);

-- Each funder's payment of a grant; negative where it was returned.
CREATE TABLE voucher_shares (
    batch BIGINT,
    voucher BIGINT,
    pool INTEGER,
    amount_fen BIGINT
);

-- States of vouchers and claims, numbered by `turn`.
CREATE TABLE voucher_events (
    batch BIGINT,
    voucher BIGINT,
    turn INTEGER,
    state voucher_state,
    day DATE,
    amount_fen BIGINT
);

-- Yearly grants of a programme to suppliers, in proportion to their contract amounts.
CREATE TABLE supplier_grants (
    batch BIGINT,
    programme INTEGER,
    version INTEGER,
    year INTEGER,
    supplier INTEGER,
    amount_fen BIGINT, -- of its service agreements of the year, as delivered
    pool INTEGER,
    want_fen BIGINT,
    grant_fen BIGINT,
    binding voucher_binding
);

-- Agreements that a yearly share-out counted, with their value as delivered.
CREATE TABLE supplier_agreements (
    batch BIGINT,
    programme INTEGER,
    agreement BIGINT,
    supplier INTEGER,
    value_fen BIGINT
);

-- All allowed steps of vouchers, claims and applications, with their rules. The first step starts
-- at `none`; a state without a next step is final.
CREATE VIEW voucher_steps AS SELECT * FROM (VALUES
    ('application', 'none', 'applied', 'a firm applies for an amount of a programme and year'),
    ('application', 'applied', 'approved', 'the programme approves as much or less'),
    ('application', 'applied', 'rejected', 'the programme refuses it'),
    ('application', 'applied', 'expired', 'it was not decided in time'),
    ('application', 'approved', 'issued', 'a voucher is issued for what was approved'),
    ('application', 'approved', 'rejected', 'found wrong before a voucher was issued'),
    ('application', 'approved', 'expired', 'no voucher was issued in time'),
    ('application', 'issued', 'expired', 'what was not used of it ends with its validity'),
    ('deduct', 'none', 'reserved', 'granted within every cap'),
    ('deduct', 'none', 'rejected', 'the caps leave nothing'),
    ('deduct', 'reserved', 'confirmed', 'a position was nominated: its agreement has its own line'),
    ('deduct', 'reserved', 'released', 'resold, busted, decided anew or not delivered'),
    ('deduct', 'reserved', 'reduced', 'a part was not delivered'),
    ('deduct', 'reserved', 'consumed', 'delivered'),
    ('deduct', 'reduced', 'consumed', 'the other part was delivered'),
    ('deduct', 'consumed', 'clawed-back', 'a shortfall was found after the payment'),
    ('deduct', 'clawed-back', 'clawed-back', 'another shortfall was found'),
    ('reimburse', 'none', 'rejected', 'the caps leave nothing'),
    ('reimburse', 'none', 'released', 'nothing was delivered'),
    ('reimburse', 'none', 'reduced', 'a part was not delivered'),
    ('reimburse', 'none', 'claimed', 'delivered'),
    ('reimburse', 'reduced', 'claimed', 'the other part was delivered'),
    ('reimburse', 'claimed', 'reduced', 'a shortfall was found, or a cap leaves less'),
    ('reimburse', 'claimed', 'released', 'a cap leaves nothing, or nothing was delivered after all'),
    ('reimburse', 'claimed', 'rejected', 'related parties, or the programme refuses it'),
    ('reimburse', 'claimed', 'expired', 'not redeemed in time'),
    ('reimburse', 'claimed', 'redeemed', 'found good'),
    ('reimburse', 'reduced', 'redeemed', 'found good but for a cap'),
    ('reimburse', 'redeemed', 'paid', 'paid by the funders'),
    ('reimburse', 'paid', 'clawed-back', 'a shortfall was found after the payment'),
    ('reimburse', 'clawed-back', 'clawed-back', 'another shortfall was found')
) AS steps(life, before, after, rule);

-- Batches that count: neither reversals nor reversed.
CREATE VIEW standing AS
SELECT * FROM batches
WHERE kind <> 'reversal' AND id NOT IN (SELECT reverses FROM batches WHERE reverses IS NOT NULL);

-- Granted amounts that can be granted again.
CREATE VIEW freed AS
SELECT e.batch, e.voucher, e.amount_fen FROM voucher_events AS e
SEMI JOIN standing AS b ON b.id = e.batch
WHERE e.state IN ('reduced', 'released', 'confirmed', 'rejected', 'expired', 'clawed-back');

-- Current state of every application, with approved and issued amounts.
CREATE VIEW application_lives AS
SELECT a.*, l.* EXCLUDE (application)
FROM applications AS a SEMI JOIN standing AS b ON b.id = a.batch
JOIN (
    SELECT application, max(turn) AS turn, arg_max(state, turn) AS state,
        coalesce(max(amount_fen) FILTER (state = 'approved'), 0) AS approved_fen,
        greatest(coalesce(max(amount_fen) FILTER (state = 'issued'), 0)
            - coalesce(max(amount_fen) FILTER (state = 'expired'), 0), 0) AS worth_fen,
        max(valid_until) AS valid_until, arg_max(reason, turn) AS reason
    FROM application_events SEMI JOIN standing AS b ON b.id = application_events.batch
    GROUP BY application
) AS l ON l.application = a.id;

-- Current open positions.
CREATE VIEW open_positions AS
SELECT * FROM positions SEMI JOIN standing AS b ON b.id = positions.batch
QUALIFY row_number() OVER (PARTITION BY account, instrument ORDER BY batch DESC) = 1
    AND quantity <> 0;

-- Postings with names instead of numbers.
CREATE VIEW journal AS
SELECT
    p.id, p.batch, p.day, p.kind, f.name AS from_account, t.name AS to_account, p.amount_fen,
    substr(i.name, 8) AS instrument, p.agreement, p.sequence
FROM postings AS p
JOIN names AS f ON f.id = p.from_account
JOIN names AS t ON t.id = p.to_account
LEFT JOIN names AS i ON i.id = p.instrument;
