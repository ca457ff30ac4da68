"""Session messages of deliveries: dispatch notices for suppliers, and their meter readings.

The books decide which readings count. A reading that counts is durable before it is answered.
"""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

NOTICES_MAX = 64
"""Most lines of a dispatch notice in one message."""

READINGS_MAX = 64
"""Most readings in one message."""

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Meter = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$")]
Name = Annotated[str, Meta(max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class MeterReason(IntEnum):
    """Result of a reading; the names are those of `ledger.delivery.meter_files`."""

    COUNTED = 0
    NUMBER = 1  # `gpus` or `available_s` is out of its range
    UNKNOWN_INSTRUMENT = 2
    UNKNOWN_AGREEMENT = 3  # or not one of the session's accounts
    NOT_NOMINATED = 4  # the agreement has no nominated line of that instrument
    UNIT = 5  # another unit than the instrument's
    CHIP = 6  # a chip that may not deliver the contract
    TOO_LONG = 7  # available for longer than the delivery lasts
    DIFFERENT = 8  # the meter's number was used before for another reading
    EARLY = 9  # available for longer than has passed since the delivery began
    LATE = 10  # the agreement is settled already
    FULL = 11  # the line has the most readings that it may have


class NoticesRequest(Struct, tag="notices", frozen=True, kw_only=True):
    """Request for the lines that the session's accounts are to deliver on a day."""

    day: Day
    after: Count = 0  # lines already received, to get the next part


class NoticeChip(Struct, frozen=True, kw_only=True):
    """A chip that may deliver a line, and the number of them that makes up its quantity."""

    chip: str
    dense_fp16_tflops: int
    gpus: int


class NoticeBlock(Struct, frozen=True, kw_only=True):
    """Lots of a line that belong to one block."""

    block: str  # day and group of its trades
    lots: int
    of: int  # lots of the block in that hour; more than `lots` if suppliers share the block


class NoticeLine(Struct, frozen=True, kw_only=True):
    """One delivery: quantity, buyer and time."""

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
    """Lines of a day, in the order of supplier, time and instrument."""

    day: str
    lines: list[NoticeLine]
    count: int  # of all lines of the day; request the rest with `after`


class MeterReading(Struct, frozen=True, kw_only=True):
    """One meter's reading of one line, under a number that the meter never uses again."""

    meter: Meter
    agreement: Count
    instrument: Name
    unit: Name
    chip: Name
    gpus: Count
    available_s: Count


class MeterReadings(Struct, tag="meter_readings", frozen=True, kw_only=True):
    """Meter readings; each has an answer of its own."""

    readings: Annotated[list[MeterReading], Meta(min_length=1, max_length=READINGS_MAX)]


class MeterAnswer(Struct, frozen=True, kw_only=True):
    """Answer to one reading."""

    meter: str
    reason: MeterReason
    text: str = ""  # in words, why it does not count
    number: int = 0  # in the day's readings
    delivered_millionths: int = 0  # millionths of a lot, by this reading
    metered_millionths: int = 0  # of the whole line, this reading included
    repeated: bool = False  # the reading was sent before, and this is its first answer again


class MeterAnswers(Struct, tag="meter_readings_ack", frozen=True, kw_only=True):
    """Answers in the order of the readings. Readings that count are durable."""

    answers: list[MeterAnswer]
