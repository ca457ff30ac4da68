"""How compiled kernels see the machine's memory: one address, and tables behind it.

To Numba a Machine is a single integer, the address of a header of (address, length) pairs. An
attribute is a table, a table's item is a record or a number. Arrays would do the same, but each is
seven words and a reference count in every call, has its negative indices tested, and makes every
compiled name thousands of letters long: this costs a third of the time and compiles in half of it.

Kernels write `m.orders[slot]["leaves"]`, which means the same on Machine, the plain named tuple of
numpy arrays that they run on where compiling is switched off. Indices are not checked here; runs
with compiling off are, by numpy.
"""

import operator
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import intrinsic, models, register_model

from matching.memory.layout import TABLES, VIEWS

WORD = ir.IntType(64)
ENTRY_BYTES = 16  # (address, length)
FIELDS = tuple(TABLES)


class MachineType(types.Type):
    """The address of a header."""

    def __init__(self) -> None:
        super().__init__(name="Machine")


class TableType(types.Type):
    """Address and length of one table or view, by its name in Machine."""

    def __init__(self, field: str) -> None:
        self.table, dtype = VIEWS.get(field) or (field, TABLES[field])
        self.dtype = numba.from_dtype(dtype)
        self.itemsize = dtype.itemsize
        super().__init__(name=f"Table_{field}")


MACHINE = MachineType()
TABLE_TYPES = {field: TableType(field) for field in (*TABLES, *VIEWS)}


@register_model(MachineType)
class MachineModel(models.PrimitiveModel):  # type: ignore[misc]
    """A word."""

    def __init__(self, manager: Any, machine: Any) -> None:
        super().__init__(manager, machine, WORD)


@register_model(TableType)
class TableModel(models.StructModel):  # type: ignore[misc]
    """Two words, which never leave their registers."""

    def __init__(self, manager: Any, table: Any) -> None:
        super().__init__(manager, table, [("address", types.int64), ("length", types.int64)])


@infer_getattr
class MachineAttributes(AttributeTemplate):  # type: ignore[misc]
    """`m.orders` and the like."""

    key = MachineType

    def generic_resolve(self, machine: Any, attribute: str) -> Any:
        """The table's type; None, and so a typing error, for other names."""
        return TABLE_TYPES.get(attribute)


@lower_getattr_generic(MachineType)  # type: ignore[untyped-decorator]
def _table(context: Any, builder: Any, machine: Any, value: Any, attribute: str) -> Any:
    table_type = TABLE_TYPES[attribute]
    table = cgutils.create_struct_proxy(table_type)(context, builder)
    at = ENTRY_BYTES * FIELDS.index(table_type.table)
    table.address = _header_word(builder, value, at)
    table.length = _header_word(builder, value, at + ENTRY_BYTES // 2)
    return table._getvalue()


def _header_word(builder: Any, header: Any, offset: int) -> Any:
    address = builder.add(header, ir.Constant(WORD, offset))
    word = builder.load(builder.inttoptr(address, WORD.as_pointer()))
    # Nothing that a kernel stores changes the header, so that one load may serve for all.
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


@infer_global(operator.getitem)
class TableGetItem(AbstractTemplate):  # type: ignore[misc]
    """`m.orders[slot]`: a record in place, or a number."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        """The signature, for tables."""
        if len(arguments) == 2 and isinstance(arguments[0], TableType):
            return signature(arguments[0].dtype, arguments[0], types.int64)
        return None


@infer_global(operator.setitem)
class TableSetItem(AbstractTemplate):  # type: ignore[misc]
    """`m.words[at] = word`: only for tables of numbers."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        """The signature, for tables of numbers."""
        table = arguments[0]
        if isinstance(table, TableType) and isinstance(table.dtype, types.Integer):
            return signature(types.none, table, types.int64, table.dtype)
        return None


@infer_global(len)
class TableLength(AbstractTemplate):  # type: ignore[misc]
    """`len(m.orders)`."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        """The signature, for tables."""
        if isinstance(arguments[0], TableType):
            return signature(types.int64, arguments[0])
        return None


def _item(context: Any, builder: Any, table_type: Any, value: Any, index: Any) -> Any:
    table = cgutils.create_struct_proxy(table_type)(context, builder, value)
    offset = builder.mul(index, ir.Constant(WORD, table_type.itemsize), flags=["nsw"])
    return builder.add(table.address, offset)


@lower_builtin(operator.getitem, TableType, types.int64)  # type: ignore[untyped-decorator]
def _get_item(context: Any, builder: Any, types_: Any, values: Any) -> Any:
    table_type = types_.args[0]
    address = _item(context, builder, table_type, *values)
    if isinstance(table_type.dtype, types.Record):
        return builder.inttoptr(address, context.get_value_type(table_type.dtype))
    kind = context.get_data_type(table_type.dtype)
    return builder.load(builder.inttoptr(address, kind.as_pointer()))


@lower_builtin(operator.setitem, TableType, types.int64, types.Integer)  # type: ignore[untyped-decorator]
def _set_item(context: Any, builder: Any, types_: Any, values: Any) -> Any:
    address = _item(context, builder, types_.args[0], values[0], values[1])
    builder.store(values[2], builder.inttoptr(address, values[2].type.as_pointer()))
    return context.get_dummy_value()


@lower_builtin(len, TableType)  # type: ignore[untyped-decorator]
def _length(context: Any, builder: Any, types_: Any, values: Any) -> Any:
    return cgutils.create_struct_proxy(types_.args[0])(context, builder, values[0]).length


@intrinsic  # type: ignore[untyped-decorator]
def machine_at(typing_context: Any, address: Any) -> Any:
    """The Machine whose header stands at an address."""
    return MACHINE(types.int64), lambda context, builder, types_, values: values[0]


@intrinsic  # type: ignore[untyped-decorator]
def prefetch_native(typing_context: Any, table: Any, index: Any) -> Any:
    """Bring a table's item into the cache, for writing."""

    def build(context: Any, builder: Any, types_: Any, values: Any) -> Any:
        address = _item(context, builder, types_.args[0], *values)
        pointer = builder.inttoptr(address, ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(function, [pointer, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(table, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def highest_bit_native(typing_context: Any, word: Any) -> Any:
    """The place of the highest set bit of a word that is not 0, by one instruction."""

    def build(context: Any, builder: Any, types_: Any, values: Any) -> Any:
        zeros = builder.ctlz(values[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(WORD, 63), zeros)

    return types.int64(types.int64), build
