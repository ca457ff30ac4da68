"""Operations that numpy lacks, each as an intrinsic for compiled code and as its plain twin."""

from typing import Any

from matching.memory.compiler import JIT_DISABLED


def highest_bit_plain(word: int) -> int:
    """Position of the highest set bit of a word that is not 0: twin of the intrinsic."""
    return (int(word) & 0xFFFF_FFFF_FFFF_FFFF).bit_length() - 1


def prefetch_plain(table: Any, index: int) -> None:
    """Do nothing: twin of the intrinsic, which changes no result."""


highest_bit: Any = highest_bit_plain
prefetch: Any = prefetch_plain
if not JIT_DISABLED:
    from matching.memory import native_intrinsics

    highest_bit = native_intrinsics.highest_bit_native
    prefetch = native_intrinsics.prefetch_native
