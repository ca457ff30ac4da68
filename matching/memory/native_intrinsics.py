"""Intrinsics written in LLVM's terms, for compiled code only. `intrinsics` offers them with their
plain twins."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from matching.memory.handle_type import WORD, item_address


@intrinsic  # type: ignore[untyped-decorator]
def prefetch_native(typing_context: Any, table: Any, index: Any) -> Any:
    """Fetch a table's item into the cache, for writing."""

    def build(context: Any, builder: Any, types_: Any, values: Any) -> Any:
        address = item_address(context, builder, types_.args[0], *values)
        pointer = builder.inttoptr(address, ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(function, [pointer, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(table, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def highest_bit_native(typing_context: Any, word: Any) -> Any:
    """Position of the highest set bit of a word that is not 0, by one instruction."""

    def build(context: Any, builder: Any, types_: Any, values: Any) -> Any:
        zeros = builder.ctlz(values[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(WORD, 63), zeros)

    return types.int64(types.int64), build
