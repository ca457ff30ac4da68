"""The registry: reference data of a day, stored in a day log's REFERENCE block.

Commands name sessions, accounts and instruments by number. The registry describes them and holds
everything else that a settlement needs, so that a replay needs only the log. It is stored as
canonical JSON (UTF-8, keys sorted, no spaces), so equal registries have equal bytes.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Code = Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,16}$")]
BasketCode = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9.-]{0,31}$")]
Positive = Annotated[int, Meta(ge=1)]
NonNegative = Annotated[int, Meta(ge=0)]
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
RateBp = Annotated[int, Meta(ge=1, le=10_000)]

RULES_MAX = 2**32 - 1
"""The greatest rules number that a SEAL has room for."""

RulesNumber = Annotated[int, Meta(ge=1, le=RULES_MAX)]


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all registry entries: immutable; an unknown key is an error that names its path."""


class Chip(Record, frozen=True, kw_only=True):
    """An accelerator class and its rating, dense FP16 in TFLOPS."""

    code: Code
    vendor: str
    dense_fp16_tflops: Positive
    confidence: Literal["high", "medium", "low"]
    source: str


class Hub(Record, frozen=True, kw_only=True):
    """A compute centre: its place, its tier, and its latency to each metro in microseconds."""

    code: Code
    name: str
    name_zh: str
    city: str
    province: str
    tier: Literal["centre", "province", "edge", "end"]
    latency_us: dict[str, NonNegative]


class Contract(Record, frozen=True, kw_only=True):
    """A tradable product: GPU-hours of one chip class, or PFLOPS-days of rated compute."""

    code: str  # "H800.QD", "PF16.QD"
    product: Literal["gpu-hour", "pflops-day"]
    hub: Code
    chips: tuple[Code, ...]  # one for a GPU-hour; for a PFLOPS-day all that may deliver it
    tick_fen: Positive
    lot: Positive
    reference_ticks: Positive
    band_low_ticks: Positive
    band_high_ticks: Positive
    maker_fee_ppm: Ppm
    taker_fee_ppm: Ppm
    deposit_fen: NonNegative  # performance deposit per lot sold short
    gate_closure_s: NonNegative  # trading ends this many seconds before delivery
    penalty_bp: Annotated[int, Meta(ge=0, le=10_000)] = 0  # of the value of what is not delivered


class Instrument(Record, frozen=True, kw_only=True):
    """A contract for one delivery period. It has an order book."""

    id: Positive
    symbol: str  # "H800.QD.2026112214", "PF16.QD.20261122"
    contract: str
    delivery_start_s: NonNegative
    delivery_end_s: NonNegative
    gate_s: NonNegative


class Basket(Record, frozen=True, kw_only=True):
    """Interchangeable contracts, in the order in which they are listed; an order for the basket
    takes any.
    """

    id: Positive
    code: BasketCode  # "H800.WUHAN"
    contracts: tuple[str, ...]


class Firm(Record, frozen=True, kw_only=True):
    """A member or client firm. Firms with the same `group` are related parties; 0 means none."""

    id: Positive
    name: str
    kind: str  # "sme", "university", "institute", "operator", ...; programmes test it
    city: str
    province: str
    group: NonNegative = 0


class Account(Record, frozen=True, kw_only=True):
    """A trading account: owned by `firm` and held at `member`, the broker whose sessions trade it.

    Programmes test the owner. The machine tests only whether the session is the member's: in an
    ACCOUNT command the firm is the member, and the group is the owner's.
    """

    id: Positive
    name: str
    firm: Positive
    member: Positive
    role: Literal["buyer", "supplier"]


class Session(Record, frozen=True, kw_only=True):
    """A session of a broker, which may trade the accounts held at its firm (0: the venue)."""

    id: Positive
    name: str
    firm: NonNegative
    operator: bool = False
    key: str = ""  # public CURVE key, z85; empty in a generated log


class Inventory(Record, frozen=True, kw_only=True):
    """GPUs of one chip class installed at one hub and run by one supplier account."""

    hub: Code
    chip: Code
    account: Positive
    gpus: Positive


class Commitment(Record, frozen=True, kw_only=True):
    """Lots that an account has sold on earlier days in an instrument that no longer trades.

    They are to be delivered in this period, from the GPUs installed.
    """

    account: Positive
    contract: str
    delivery_start_s: NonNegative
    delivery_end_s: NonNegative
    lots: Positive


class ProgrammeTerms(Record, frozen=True, kw_only=True):
    """Terms that a voucher programme and its publication state in the same way.

    Caps are in fen; None means that the programme has no such cap. None as `application`, `rate_bp`
    or `spend_counts_back` means that it was not published. Shares of funders are weights and need
    not add up to anything.
    """

    id: str
    version: Positive
    place: str
    policy: str
    source: str
    model: Literal["deduct", "reimburse"]
    side: Literal["buyer", "supplier"]
    effective_from: str  # YYYY-MM-DD, by delivery day, inclusive
    effective_until: str | None = None  # inclusive
    rule: Literal["first-come", "in-proportion"] = "first-come"
    application: bool | None = None  # whether a firm must apply first
    signed_from: str | None = None  # agreements with an earlier first buy do not count
    term_days_max: Positive | None = None  # from the first buy to delivery
    rate_bp: RateBp | None = None
    per_agreement_cap_fen: Positive | None = None
    per_firm_year_cap_fen: Positive | None = None
    per_firm_year_redeemed_cap_fen: Positive | None = None  # counted at redemption
    pool_year_fen: Positive | None = None
    firm_spend_min_fen: Positive | None = None  # spend of a firm and year to reach first
    spend_counts_back: bool | None = None  # whether lower spend counts later
    claim_days_max: Positive | None = None  # after delivery; a claim redeemed later expires
    funders: dict[str, Positive] = {}
    funder_caps_fen: dict[str, Positive] = {}  # of a year; a funder not named has none
    firm_kinds: tuple[str, ...] = ()  # eligible kinds of firm; empty: all
    kinds_first: tuple[str, ...] = ()  # kinds that are served before all others
    buyer_cities: tuple[str, ...] = ()  # empty: all
    buyer_provinces: tuple[str, ...] = ()
    compute_hubs: tuple[Code, ...] = ()  # compute must come from here; empty: anywhere
    compute_provinces: tuple[str, ...] = ()


class Programme(ProgrammeTerms, frozen=True, kw_only=True):
    """One version of a voucher programme, as in force on the day."""

    # No term of a programme in force is open.
    application: bool = False
    rate_bp: RateBp
    spend_counts_back: bool = False


class Registry(Record, frozen=True, kw_only=True):
    """Everything that a day's commands refer to, and the limits of the machine that ran the day.

    The writer of a log sets `rules`, the number of the rules of that machine (matching/rules.py).
    Logs made before release 0.2.0 name none; `DayLog.rules` is 0 then. An unset number is no key in
    the JSON, so their registries have the bytes that they always had.
    """

    venue: str
    trading_day: str  # YYYY-MM-DD, Asia/Shanghai
    note: str  # origin of the day, as a sentence
    limits: dict[str, int]
    opening_commands: NonNegative = 0  # first commands of the log, which carry over the day before
    chips: tuple[Chip, ...] = ()
    hubs: tuple[Hub, ...] = ()
    contracts: tuple[Contract, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    firms: tuple[Firm, ...] = ()
    accounts: tuple[Account, ...] = ()
    sessions: tuple[Session, ...] = ()
    inventory: tuple[Inventory, ...] = ()
    programmes: tuple[Programme, ...] = ()
    baskets: tuple[Basket, ...] = ()
    committed: tuple[Commitment, ...] | UnsetType = UNSET
    rules: RulesNumber | UnsetType = UNSET


def encode(registry: Registry) -> bytes:
    """The registry as canonical JSON.

    >>> encode(Registry(venue="V", trading_day="2026-11-22", note="", limits={}))[:28]
    b'{"accounts":[],"baskets":[],'
    """
    return msgspec.json.encode(registry, order="sorted")


def decode(blob: bytes) -> Registry:
    """The registry of canonical JSON. Raises msgspec.ValidationError with the path of a wrong
    value.
    """
    return msgspec.json.decode(blob, type=Registry)
