"""The machine's handle as a Numba type, for compiled code only."""

from matching.memory.handle_type import HandleType, handle_intrinsic
from matching.memory.layout import MACHINE_LAYOUT

MACHINE = HandleType(MACHINE_LAYOUT.name, MACHINE_LAYOUT.tables, MACHINE_LAYOUT.views)

machine_at = handle_intrinsic(MACHINE)
"""Takes the address of a header for the machine's handle."""
