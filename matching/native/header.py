"""The C header: records, codes and sizes of tables, generated from their Python definitions."""

from enum import IntEnum
from typing import Any, Self, cast

import numpy as np

from matching.book.events import STEP_EVENTS_MAX
from matching.limits import BOUNDS, Limits
from matching.memory.allocation import SPARSE, SPARSE_BYTES
from matching.memory.layout import TABLES, pages_a_session, shapes
from matching.native.entries import ENTRIES
from matching.records import (
    COMMAND,
    EVENT,
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

TYPES = {
    "<u8": "uint64_t", "<i8": "int64_t", "<u4": "uint32_t", "<i4": "int32_t", "|u1": "uint8_t",
}  # fmt: skip
CODES: dict[str, type[IntEnum]] = {
    "COMMAND": CommandKind,
    "FLAG": CommandFlag,  # type: ignore[dict-item]
    "SIDE": Side,
    "ORDER": OrderType,
    "TIF": TimeInForce,
    "STP": SelfTradePrevention,
    "MASS_CANCEL": MassCancelScope,
    "PHASE": Phase,
    "EVENT": EventKind,
    "EVENT_FLAG": EventFlag,  # type: ignore[dict-item]
    "REASON": Reason,
}
"""Enumerations by the prefix of their names in C."""


class Formula(str):
    """A C expression built by Python's operators; all its numbers are 0 or more."""

    def _with(self, sign: str, other: object) -> Self:
        return type(self)(f"({self} {sign} {other})")

    def __add__(self, other: object) -> Self:
        return self._with("+", other)

    def __sub__(self, other: object) -> Self:
        return self._with("-", other)

    def __mul__(self, other: object) -> Self:
        return self._with("*", other)

    def __floordiv__(self, other: object) -> Self:
        return self._with("/", other)  # rounds down as Python does, where nothing is negative

    __radd__ = __add__
    __rmul__ = __mul__


class SymbolicLimits:
    """Limits of which every bound is a C expression."""

    def __getattr__(self, name: str) -> Formula:
        return Formula(f"limits->{name}")


def header() -> str:
    """The text of suanshi.h."""
    parts = [
        "/* The matching machine of Suanshi for programs in C; see C.md. */",
        "#ifndef SUANSHI_H",
        "#define SUANSHI_H",
        "#include <stdint.h>",
        '#ifdef __cplusplus\nextern "C" {\n#endif',
        struct("suanshi_command", COMMAND),
        struct("suanshi_event", EVENT),
        *(codes(prefix, kinds) for prefix, kinds in CODES.items()),
        limits(),
        CALLS.replace("@ROOM@", str(STEP_EVENTS_MAX)).replace("@ERRORS@", errors()),
        "/* What follows is for suanshi.c. */",
        tables(),
        *(prototype(name, arguments) for name, (_, arguments) in ENTRIES.items()),
        "#ifdef __cplusplus\n}\n#endif",
        "#endif",
    ]
    return "\n".join(parts) + "\n"


def struct(name: str, dtype: np.dtype[Any]) -> str:
    """A C struct with the fields of a record at their offsets; overlapping fields form a union."""
    known = cast(dict[str, tuple[np.dtype[Any], int]], dict(dtype.fields or {}))
    by_offset = sorted((at, -kind.itemsize, field) for field, (kind, at) in known.items())
    lines, end = [], 0
    while by_offset:
        at, size, _ = by_offset[0]
        assert at == end, f"{name}: no field at byte {end}"
        end = at - size
        inside = [row for row in by_offset if row[0] < end]
        by_offset = by_offset[len(inside) :]
        lines += _members([(row[0], known[row[2]][0], row[2]) for row in inside], at, end)
    assert end == dtype.itemsize, f"{name}: {end} bytes of {dtype.itemsize}"
    return "\n".join([f"typedef struct {name} {{", *lines, f"}} {name};"])


def _members(rows: list[tuple[int, np.dtype[Any], str]], at: int, end: int) -> list[str]:
    """The declarations of the fields between byte `at` and byte `end`."""
    declared = [(start, start + k.itemsize, f"{TYPES[k.str]} {f};") for start, k, f in rows]
    if len(declared) == 1:
        return [f"    {declared[0][2]}"]
    lines = ["    union {"]
    while declared:
        layer, place = [], at
        for row in list(declared):
            if row[0] == place:
                layer.append(row[2])
                place = row[1]
                declared.remove(row)
        assert layer, "every alternative begins where the union does"
        text = " ".join(layer)
        lines.append(f"        struct {{ {text} }};" if len(layer) > 1 else f"        {text}")
    return [*lines, "    };"]


def codes(prefix: str, kinds: type[IntEnum]) -> str:
    """A C enum of one enumeration of records.py."""
    rows = ", ".join(f"SUANSHI_{prefix}_{kind.name} = {kind.value}" for kind in kinds)
    return f"enum {{ {rows} }}; /* {kinds.__name__} */"


def limits() -> str:
    """The C struct of Limits, its default, least and largest values."""
    names = [name for name in BOUNDS if name != "events"]  # the caller owns the event buffer
    numbers = {
        "DEFAULT": Limits().as_dict(),
        "LEAST": {name: least for name, (least, _) in BOUNDS.items()},
        "MOST": {name: most for name, (_, most) in BOUNDS.items()},
    }
    declared = "\n".join(f"    int64_t {name};" for name in names)
    return "\n".join(
        [
            f"typedef struct suanshi_limits {{\n{declared}\n}} suanshi_limits;",
            *(
                f"#define SUANSHI_LIMITS_{what} {{{', '.join(str(of[name]) for name in names)}}}"
                for what, of in numbers.items()
            ),
        ]
    )


CALLS = """
typedef struct suanshi suanshi;

/* Errors are results below every number of events. A call with an error has changed nothing. */
@ERRORS@

/* The text of an error; NULL for any other result. */
const char *suanshi_error(int64_t result);

/* Allocates a machine for these limits. NULL, with errno EINVAL where there are no limits or one is
 * outside its bounds, ENOMEM where the system does not give the memory. */
suanshi *suanshi_open(const suanshi_limits *limits);
/* Frees a machine; does nothing for NULL. */
void suanshi_close(suanshi *machine);

/* Sets the array of `length` commands to run from, and the buffer of `room` events, at least
 * SUANSHI_EVENTS_MIN. Returns 0 or an error. While commands are unfinished only the buffer may
 * change. */
enum { SUANSHI_EVENTS_MIN = 2 * @ROOM@ };
int64_t suanshi_lend(suanshi *machine, const suanshi_command *commands, int64_t length,
                     suanshi_event *events, int64_t room);

/* Runs the first `count` commands and adds their events to those in the buffer. Returns the number
 * of events in the buffer, or an error. Where commands are left, because the buffer is full or the
 * call has worked for some 2 ms, returns -1 less that number: take the events, rewind, and call
 * suanshi_resume with the same count until it returns 0 or more. */
int64_t suanshi_run(suanshi *machine, int64_t count);
int64_t suanshi_resume(suanshi *machine, int64_t count);
/* The same without prefetching: no command is read before the one in front of it is done. */
int64_t suanshi_run_blind(suanshi *machine, int64_t count);

/* Keeps the first `events` events of the buffer; the next event is written behind them. Returns 0
 * or an error. */
int64_t suanshi_rewind(suanshi *machine, int64_t events);

/* Best price of a side, 0 where it is empty; lots that rest at a price; or an error. */
int64_t suanshi_best(const suanshi *machine, uint32_t instrument, int side);
int64_t suanshi_depth(const suanshi *machine, uint32_t instrument, int side, int64_t price_ticks);
"""

ERRORS = {
    "MACHINE": "there is no machine",
    "BUFFER": "no commands or no buffer of events was lent",
    "COUNT": "a count is negative, or beyond what was lent",
    "ROOM": "the buffer has less room than SUANSHI_EVENTS_MIN, or more than memory has",
    "UNFINISHED": "commands are unfinished: suanshi_resume comes first",
    "FINISHED": "there are no commands to resume, or another number of them",
    "INSTRUMENT": "the instrument is not one of the limits",
    "SIDE": "the side is neither SUANSHI_SIDE_BUY nor SUANSHI_SIDE_SELL",
}
"""Errors of calls by the end of their name in C, with their texts."""


def errors() -> str:
    """The errors as C constants, and their texts in the same order."""
    lines = [
        f"#define SUANSHI_ERROR_{name} (INT64_MIN + {number}) /* {text} */"
        for number, (name, text) in enumerate(ERRORS.items())
    ]
    texts = ", ".join(f'"{text}"' for text in ERRORS.values())
    return "\n".join([*lines, f"#define SUANSHI_ERROR_TEXTS {{{texts}}}"])


def tables() -> str:
    """The tables of a machine, their item sizes, and a function for their lengths."""
    bound = cast(Limits, SymbolicLimits())
    lengths = {name: length for name, (length, _) in shapes(bound).items()}
    names = ", ".join(f"SUANSHI_TABLE_{name.upper()}" for name in TABLES)
    sizes = ", ".join(str(dtype.itemsize) for dtype in TABLES.values())
    sparse = ", ".join(str(int(name in SPARSE)) for name in TABLES)
    lines = [f"    length[SUANSHI_TABLE_{n.upper()}] = {f};" for n, f in lengths.items()]
    return "\n".join(
        [
            f"enum {{ {names}, SUANSHI_TABLES }};",
            f"#define SUANSHI_ITEM_BYTES {{{sizes}}}",
            f"#define SUANSHI_SPARSE {{{sparse}}}",
            f"#define SUANSHI_SPARSE_BYTES {SPARSE_BYTES}",
            f"#define SUANSHI_SESSION_PAGES(limits) {pages_a_session(bound)}",
            "static inline void suanshi_lengths(const suanshi_limits *limits, int64_t *length)",
            "{",
            *lines,
            "}",
        ]
    )


def prototype(name: str, arguments: int) -> str:
    """The C prototype of an entry; its arguments and its result are int64."""
    return f"int64_t suanshi_core_{name}({', '.join(['int64_t'] * arguments)});"
