-- The books of a year: every table is append-only (books.py adds the triggers).
--
-- Money is BIGINT fen, prices are ticks, quantities lots, times nanoseconds since the epoch, days
-- dates in Asia/Shanghai. Rows carry the number of the batch that wrote them; a batch is one
-- transaction's worth of lines of one day and kind. Only small tables have keys, because a key on
-- a big one costs six times the load; `verify` proves the uniqueness of the others by a query.

CREATE TABLE ledger_schema (version INTEGER NOT NULL);

-- Each batch's sha256 covers its input, its lines and the batch before it.
CREATE TABLE batches (
    id BIGINT PRIMARY KEY,
    kind VARCHAR NOT NULL CHECK (kind IN ('settlement', 'delivery')),
    day DATE NOT NULL,
    revision INTEGER NOT NULL,
    venue VARCHAR NOT NULL,
    input_sha256 VARCHAR NOT NULL,
    lines_sha256 VARCHAR NOT NULL,
    previous_sha256 VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    UNIQUE (kind, day, revision)
);

-- What the day's registry said, as far as the books need it.
CREATE TABLE firms (
    batch BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    city VARCHAR NOT NULL,
    province VARCHAR NOT NULL,
    related_group BIGINT NOT NULL
);

CREATE TABLE accounts (
    batch BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    firm BIGINT NOT NULL
);

CREATE TABLE instruments (
    batch BIGINT NOT NULL,
    id BIGINT NOT NULL,
    symbol VARCHAR NOT NULL,
    contract VARCHAR NOT NULL,
    hub VARCHAR NOT NULL,
    province VARCHAR NOT NULL,
    tick_fen BIGINT NOT NULL,
    delivery_day DATE NOT NULL
);

CREATE TABLE programmes (
    batch BIGINT NOT NULL,
    turn INTEGER NOT NULL, -- place in the registry: the first eligible programme counts
    id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    model VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    effective_from DATE NOT NULL,
    effective_until DATE, -- inclusive; NULL: open
    rate_bp BIGINT NOT NULL,
    agreement_cap_fen BIGINT, -- NULL: no such cap
    firm_cap_fen BIGINT,
    pool_cap_fen BIGINT,
    firm_kinds VARCHAR[] NOT NULL, -- empty lists: no such condition
    buyer_cities VARCHAR[] NOT NULL,
    buyer_provinces VARCHAR[] NOT NULL,
    compute_hubs VARCHAR[] NOT NULL,
    compute_provinces VARCHAR[] NOT NULL
);

CREATE TABLE funders (
    batch BIGINT NOT NULL,
    programme VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    weight BIGINT NOT NULL
);

-- One row a trade; sessions and refs lead to the orders, `sequence` to the command.
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
    flags TINYINT -- 1: the buyer is the taker; 2: traded in an uncross
);

-- One row per traded instrument and day; settlement price = volume-weighted average, half up.
CREATE TABLE instrument_days (
    batch BIGINT,
    instrument VARCHAR,
    tick_fen BIGINT,
    trades BIGINT,
    volume BIGINT,
    turnover_fen BIGINT,
    open_ticks INTEGER,
    high_ticks INTEGER,
    low_ticks INTEGER,
    close_ticks INTEGER,
    settlement_ticks INTEGER
);

-- What a batch did to an account's position in an instrument; the latest row is where it stands.
CREATE TABLE positions (
    batch BIGINT,
    account VARCHAR,
    instrument VARCHAR,
    tick_fen BIGINT,
    opening_quantity BIGINT,
    opening_ticks INTEGER,
    bought BIGINT,
    sold BIGINT,
    bought_fen BIGINT,
    sold_fen BIGINT,
    delivered BIGINT, -- change by delivery: a long's is negative, a short's positive
    quantity BIGINT,
    price_ticks INTEGER,
    difference_fen BIGINT, -- positive: the account pays clearing
    escrow_fen BIGINT, -- positive: the account pays into escrow
    fee_fen BIGINT, -- charged by this batch
    fee_due_fen BIGINT, -- sellers' fees that wait for the proceeds
    first_day DATE, -- of the first buy that is still open: the rank in "first come, first served"
    first_sequence BIGINT
);

CREATE TABLE postings (
    id BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    day DATE NOT NULL,
    kind VARCHAR NOT NULL,
    from_account VARCHAR NOT NULL,
    to_account VARCHAR NOT NULL,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    instrument VARCHAR,
    agreement BIGINT,
    sequence BIGINT, -- of the command that caused it: deposits and withdrawals
    CHECK (from_account <> to_account)
);

-- A service agreement: what programmes call a contract.
CREATE TABLE agreements (
    batch BIGINT,
    id BIGINT,
    buyer VARCHAR,
    supplier VARCHAR,
    contract VARCHAR,
    delivery_day DATE,
    hub VARCHAR,
    province VARCHAR,
    quantity BIGINT,
    value_fen BIGINT, -- at settlement prices: the base of vouchers
    fee_fen BIGINT, -- the supplier's fees that are charged on delivery
    buyer_firm VARCHAR,
    buyer_kind VARCHAR,
    buyer_city VARCHAR,
    buyer_province VARCHAR,
    related BOOLEAN, -- buyer and supplier are one firm or of one group
    first_day DATE,
    first_sequence BIGINT
);

-- Who delivers what to whom, one row per agreement and instrument, and what was metered.
CREATE TABLE deliveries (
    batch BIGINT,
    agreement BIGINT,
    instrument VARCHAR,
    buyer VARCHAR,
    supplier VARCHAR,
    nominated BIGINT,
    delivered BIGINT,
    source VARCHAR,
    price_ticks INTEGER,
    value_fen BIGINT,
    fee_fen BIGINT
);

-- A decision of a programme on an agreement, with all of its inputs; `id` is the order of claims.
CREATE TABLE vouchers (
    batch BIGINT,
    id BIGINT,
    agreement BIGINT,
    programme VARCHAR,
    version INTEGER,
    rule VARCHAR,
    model VARCHAR,
    firm VARCHAR,
    year INTEGER,
    base_fen BIGINT,
    rate_bp BIGINT,
    want_fen BIGINT,
    agreement_cap_fen BIGINT,
    firm_cap_fen BIGINT,
    before_firm_fen BIGINT,
    pool_cap_fen BIGINT,
    before_pool_fen BIGINT,
    grant_fen BIGINT,
    binding VARCHAR -- what the grant stopped at: rate, agreement, firm-year, pool-year
);

CREATE TABLE voucher_events (
    batch BIGINT,
    voucher BIGINT,
    turn INTEGER,
    state VARCHAR,
    day DATE,
    amount_fen BIGINT
);
