"""The messages of deliveries: what suppliers are told to deliver, and what their meters say of it.

Session messages like those of `feeds.protocol.messages`. The rules of the books decide what counts;
a reading that counts is durable before it is answered.
"""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

NOTICES_MAX = 64
"""Lines of a dispatch notice in one message."""

READINGS_MAX = 64
"""Readings in one message."""

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Meter = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$")]
Name = Annotated[str, Meta(max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class MeterReason(IntEnum):
    """What became of a reading; names are those of `ledger.delivery.meter_files`."""

    COUNTED = 0
    NUMBER = 1  # `gpus` or `available_s` is out of its range
    UNKNOWN_INSTRUMENT = 2
    UNKNOWN_AGREEMENT = 3  # or not one of the session's accounts
    NOT_NOMINATED = 4  # nothing of that instrument is nominated in the agreement
    UNIT = 5  # not what the instrument is traded in
    CHIP = 6  # not one that may deliver the contract
    TOO_LONG = 7  # available for longer than the delivery lasts
    DIFFERENT = 8  # the meter's number was used before, for something else
    EARLY = 9  # available for longer than has passed since the delivery began
    LATE = 10  # the agreement is settled already
    FULL = 11  # the line has as many readings as it may have


class NoticesRequest(Struct, tag="notices", frozen=True, kw_only=True):
    """Asks what the session's accounts are to deliver on a day."""

    day: Day
    after: Count = 0  # lines that are known already, for the next part


class NoticeChip(Struct, frozen=True, kw_only=True):
    """A chip that may deliver a line, and how many make it up."""

    chip: str
    dense_fp16_tflops: int
    gpus: int


class NoticeBlock(Struct, frozen=True, kw_only=True):
    """What a line is of a block: so many lots, of those that the block has in that hour."""

    block: str  # day and group of its trades
    lots: int
    of: int  # more than `lots`: the block is split


class NoticeLine(Struct, frozen=True, kw_only=True):
    """What to deliver to whom, and when."""

    agreement: int
    supplier: str  # accounts
    buyer: str
    instrument: str
    contract: str
    unit: str
    start_s: int
    end_s: int
    quantity: int  # lots
    chips: list[NoticeChip]
    blocks: list[NoticeBlock]


class Notices(Struct, tag="notices_ack", frozen=True, kw_only=True):
    """The lines of a day, in the order of supplier, time and instrument."""

    day: str
    lines: list[NoticeLine]
    count: int  # of all lines; those that are missing come for `after`


class MeterReading(Struct, frozen=True, kw_only=True):
    """What one meter says of one line, with the meter's own number of it, once for ever."""

    meter: Meter
    agreement: Count
    instrument: Name
    unit: Name
    chip: Name
    gpus: Count
    available_s: Count


class MeterReadings(Struct, tag="meter_readings", frozen=True, kw_only=True):
    """Readings; each is answered by itself."""

    readings: Annotated[list[MeterReading], Meta(min_length=1, max_length=READINGS_MAX)]


class MeterAnswer(Struct, frozen=True, kw_only=True):
    """What became of a reading."""

    meter: str
    reason: MeterReason
    text: str = ""  # why it does not count
    number: int = 0  # in the day's readings
    delivered_millionths: int = 0  # of a lot, by this reading
    metered_millionths: int = 0  # of the line, with this one; beyond its lots nothing is paid
    repeated: bool = False  # this is the first answer once more


class MeterAnswers(Struct, tag="meter_readings_ack", frozen=True, kw_only=True):
    """The answers, in the order of the readings; those that count are durable."""

    answers: list[MeterAnswer]
