"""The compiled machine without Python: C programs include, link and run it."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from matching import COMMAND, EVENT, Engine, Limits
from matching.limits import BOUNDS
from matching.memory.compiler import JIT_DISABLED
from matching.memory.layout import TABLES, pages_a_session, shapes
from matching.native.header import header, struct
from tests.tools import fuzz

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="object code is compiled code")

EXAMPLE = """\
done (32)
done (33)
done (37)
done (40)
done (41)
done (41)
done (43)
done (45)
order 1 accepted
order 2 accepted
order 1 filled: 5 lots at 1130, 3 left
order 2 filled: 5 lots at 1130, 0 left
best ask 1130, 3 lots
"""

FILTER = """
#include <stdio.h>
#include <stdlib.h>
#include "suanshi.h"

/* COMMANDs from the standard input, EVENTs to the standard output: HOW COUNT ROOM LIMITS... */
int main(int argc, char **argv)
{
    int64_t given[sizeof(suanshi_limits) / sizeof(int64_t)];
    for (int at = 0; at + 4 < argc; at++)
        given[at] = atoll(argv[at + 4]);
    suanshi *machine = suanshi_open((suanshi_limits *)given);
    int64_t count = atoll(argv[2]), room = atoll(argv[3]), made;
    suanshi_command *commands = calloc(count, sizeof *commands);
    suanshi_event *events = calloc(room, sizeof *events);
    int64_t (*run)(suanshi *, int64_t) = argv[1][0] == 'b' ? suanshi_run_blind : suanshi_run;
    if (!machine)
        return 3;
    while ((count = fread(commands, sizeof *commands, count, stdin)) > 0) {
        suanshi_lend(machine, commands, events, room);
        for (made = run(machine, count); made < 0; made = suanshi_resume(machine, count)) {
            fwrite(events, sizeof *events, -1 - made, stdout);
            suanshi_rewind(machine, 0);
        }
        fwrite(events, sizeof *events, made, stdout);
    }
    suanshi_close(machine);
    return 0;
}
"""

SIZES = """
#include <stdio.h>
#include <stdlib.h>
#include "suanshi.h"
int main(int argc, char **argv)
{
    int64_t lengths[SUANSHI_TABLES] = {0};
    int64_t given[sizeof(suanshi_limits) / sizeof(int64_t)];
    for (int at = 1; at < argc; at++)
        given[at - 1] = atoll(argv[at]);
    const suanshi_limits *limits = (suanshi_limits *)given;
    suanshi_lengths(limits, lengths);
    for (int table = 0; table < SUANSHI_TABLES; table++)
        printf("%lld ", (long long)lengths[table]);
    printf("%lld\\n", (long long)SUANSHI_SESSION_PAGES(limits));
}
"""

SMALL = Limits(sessions=3, accounts=5, instruments=2, orders=9, refs=2049, ref_pages=3, ticks=4097)


def cc(folder: Path, *arguments: str) -> None:
    """Compile C with the system's compiler; every warning is an error."""
    strict = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run(["cc", *strict, *arguments], cwd=folder, check=True)


def bounds(limits: Limits) -> list[str]:
    """The limits as arguments of a program: all but the event buffer, which is the caller's."""
    return [str(value) for name, value in limits.as_dict().items() if name != "events"]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that `python -m matching.native` writes."""
    from matching.native.__main__ import write

    folder = tmp_path_factory.mktemp("native")
    write(folder, any_cpu=True)
    return folder


@pytest.mark.needs("cc")
def test_the_example_lists_an_instrument_and_matches_two_orders(native):
    cc(native, "-Wpedantic", "-o", "example", "example.c", "suanshi.c", "suanshi_core.o")
    found = subprocess.run([native / "example"], check=True, capture_output=True, text=True)
    assert found.stdout == EXAMPLE
    assert len((native / "example.c").read_text().splitlines()) <= 60


@pytest.fixture(scope="module")
def filter_program(native: Path) -> Path:
    """FILTER, compiled."""
    (native / "filter.c").write_text(FILTER)
    cc(native, "-o", "filter", "filter.c", "suanshi.c", "suanshi_core.o")
    return native / "filter"


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    ("seed", "how", "batch", "room"),
    [(1, "blind", 1, 16), (2, "seeing", 64, 4096), (6, "blind", 7, 99)],
)
def test_a_c_program_gives_the_events_of_the_engine(filter_program, seed, how, batch, room):
    limits, commands = fuzz.stream_of(seed, 2_000)
    given = [how, str(batch), str(room), *bounds(limits)]
    found = subprocess.run(
        [filter_program, *given], input=commands.tobytes(), check=True, capture_output=True
    )
    assert found.stdout == Engine(limits).process(commands).tobytes()


@pytest.mark.needs("cc")
def test_limits_beyond_their_bounds_open_no_machine(filter_program):
    impossible = [str(high + 1) for name, (_, high) in BOUNDS.items() if name != "events"]
    for at, bound in enumerate(impossible):
        for wrong in (bound, "0"):
            given = bounds(SMALL)
            given[at] = wrong
            program = [filter_program, "blind", "1", "16", *given]
            assert subprocess.run(program, check=False).returncode == 3


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    "limits", [Limits(), SMALL, replace(SMALL, refs=2048, ticks=1 << 18, sessions=256)]
)
def test_the_header_sizes_tables_as_the_engine_does(tmp_path, limits):
    (tmp_path / "suanshi.h").write_text(header())
    (tmp_path / "sizes.c").write_text(SIZES)
    cc(tmp_path, "-o", "sizes", "sizes.c")
    printed = subprocess.check_output([tmp_path / "sizes", *bounds(limits)], text=True)
    lengths = [length for length, _ in shapes(limits).values()]
    buffers = [0] * (len(TABLES) - len(lengths))
    assert [int(n) for n in printed.split()] == [*lengths, *buffers, pages_a_session(limits)]


@pytest.mark.needs("cc")
@pytest.mark.parametrize(("name", "dtype"), [("command", COMMAND), ("event", EVENT)])
def test_the_header_has_every_field_at_its_offset_in_the_record(tmp_path, name, dtype):
    (tmp_path / "suanshi.h").write_text(header())
    checks = [
        f"_Static_assert(offsetof(suanshi_{name}, {field}) == {at}"
        f' && sizeof ((suanshi_{name} *)0)->{field} == {kind.itemsize}, "{field}");'
        for field, (kind, at) in dtype.fields.items()
    ]
    assert len(checks) == len(dtype.names)
    text = '#include <stddef.h>\n#include "suanshi.h"\n' + "\n".join(checks) + "\n"
    (tmp_path / "checks.c").write_text(text)
    cc(tmp_path, "-c", "checks.c")


def test_a_record_with_a_gap_has_no_struct():
    gap: Any = np.dtype({"names": ["a"], "formats": ["<i4"], "offsets": [4], "itemsize": 8})
    with pytest.raises(AssertionError, match="no field at byte 0"):
        struct("gap", gap)


def test_code_that_needs_python_raises():
    from matching.native.objects import check_standalone

    text = "declare void @memset()\ndeclare void @llvm.trap()\ndeclare void @PyErr_Clear()"
    with pytest.raises(RuntimeError, match="needs PyErr_Clear, which is Python's"):
        check_standalone(llvm.parse_assembly(text))
