"""Numba types of handles: one address, and tables behind it.

To Numba a handle is a single integer, the address of a header of (address, length) pairs. An
attribute is a table, a table's item is a record or a number. Arrays would do the same, but each is
seven words and a reference count in every call, has its negative indices tested, and makes every
compiled name thousands of letters long. A handle costs two thirds of that time, and half of it to
compile.

Kernels write `m.orders[slot]["leaves"]`, which means the same on the named tuple of numpy arrays
that they run on where compiling is switched off. Indices are not checked here; in runs with
compiling off, numpy checks them.
"""

import operator
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
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

WORD = ir.IntType(64)
WORD_BYTES = 8
ENTRY_BYTES = 2 * WORD_BYTES  # (address, length)

_layouts: dict[str, str] = {}
"""Layout of each handle type by name, as text: a second type of that name must be the same."""


class HandleType(types.Type):
    """The address of a header.

    `tables` and `views` are as in HandleLayout. Raises ValueError if the name already belongs to a
    type with other tables.
    """

    def __init__(
        self,
        name: str,
        tables: Mapping[str, np.dtype[Any]],
        views: Mapping[str, tuple[str, np.dtype[Any]]],
    ) -> None:
        if _layouts.setdefault(name, repr((tables, views))) != repr((tables, views)):
            raise ValueError(f"{name}: there is a handle of this name with other tables")
        places = {table: place for place, table in enumerate(tables)}
        self.tables = {
            field: TableType(f"{name}_{field}", dtype, places[field], 1)
            for field, dtype in tables.items()
        } | {
            field: TableType(
                f"{name}_{field}", dtype, places[table], tables[table].itemsize // dtype.itemsize
            )
            for field, (table, dtype) in views.items()
        }
        super().__init__(name=name)


class TableType(types.Type):
    """Address and length of one table or view.

    `place` is the table's place in the header, `items` how many items of a view are one of its
    table's.
    """

    def __init__(self, name: str, dtype: np.dtype[Any], place: int, items: int) -> None:
        self.place, self.items = place, items
        self.dtype = numba.from_dtype(dtype)
        self.itemsize = dtype.itemsize
        super().__init__(name=name)


@register_model(HandleType)
class HandleModel(models.PrimitiveModel):  # type: ignore[misc]
    """A handle in memory: one word."""

    def __init__(self, manager: Any, handle: Any) -> None:
        super().__init__(manager, handle, WORD)


@register_model(TableType)
class TableModel(models.StructModel):  # type: ignore[misc]
    """A table in memory: two words, which never leave their registers."""

    def __init__(self, manager: Any, table: Any) -> None:
        super().__init__(manager, table, [("address", types.int64), ("length", types.int64)])


@infer_getattr
class HandleAttributes(AttributeTemplate):  # type: ignore[misc]
    """Typing of `m.orders` and other attributes of a handle."""

    key = HandleType

    def generic_resolve(self, handle: Any, attribute: str) -> Any:
        """The table's type; None, and so a typing error, for other names."""
        return handle.tables.get(attribute)


@lower_getattr_generic(HandleType)  # type: ignore[untyped-decorator]
def _table(context: Any, builder: Any, handle: Any, value: Any, attribute: str) -> Any:
    table_type = handle.tables[attribute]
    table = cgutils.create_struct_proxy(table_type)(context, builder)
    at = ENTRY_BYTES * table_type.place
    table.address = _header_word(builder, value, at)
    length = _header_word(builder, value, at + WORD_BYTES)
    table.length = builder.mul(length, ir.Constant(WORD, table_type.items), flags=["nsw"])
    return table._getvalue()


def _header_word(builder: Any, header: Any, offset: int) -> Any:
    address = builder.add(header, ir.Constant(WORD, offset))
    word = builder.load(builder.inttoptr(address, WORD.as_pointer()))
    # Nothing that a kernel stores changes the header, so that one load may serve for all.
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


@infer_global(operator.getitem)
class TableGetItem(AbstractTemplate):  # type: ignore[misc]
    """Typing of `m.orders[slot]`: a record in place, or a number."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        """The signature, for tables."""
        if len(arguments) == 2 and isinstance(arguments[0], TableType):
            return signature(arguments[0].dtype, arguments[0], types.int64)
        return None


@infer_global(operator.setitem)
class TableSetItem(AbstractTemplate):  # type: ignore[misc]
    """Typing of `m.words[at] = word`, only for tables of numbers."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        """The signature, for tables of numbers."""
        table = arguments[0]
        if isinstance(table, TableType) and isinstance(table.dtype, types.Integer):
            return signature(types.none, table, types.int64, table.dtype)
        return None


@infer_global(len)
class TableLength(AbstractTemplate):  # type: ignore[misc]
    """Typing of `len(m.orders)`."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        """The signature, for tables."""
        if isinstance(arguments[0], TableType):
            return signature(types.int64, arguments[0])
        return None


def item_address(context: Any, builder: Any, table_type: Any, value: Any, index: Any) -> Any:
    """Address of a table's item, as a word."""
    table = cgutils.create_struct_proxy(table_type)(context, builder, value)
    offset = builder.mul(index, ir.Constant(WORD, table_type.itemsize), flags=["nsw"])
    return builder.add(table.address, offset)


@lower_builtin(operator.getitem, TableType, types.int64)  # type: ignore[untyped-decorator]
def _getitem_address(context: Any, builder: Any, types_: Any, values: Any) -> Any:
    table_type = types_.args[0]
    address = item_address(context, builder, table_type, *values)
    if isinstance(table_type.dtype, types.Record):
        return builder.inttoptr(address, context.get_value_type(table_type.dtype))
    kind = context.get_data_type(table_type.dtype)
    return builder.load(builder.inttoptr(address, kind.as_pointer()))


@lower_builtin(operator.setitem, TableType, types.int64, types.Integer)  # type: ignore[untyped-decorator]
def _setitem_address(context: Any, builder: Any, types_: Any, values: Any) -> Any:
    address = item_address(context, builder, types_.args[0], values[0], values[1])
    builder.store(values[2], builder.inttoptr(address, values[2].type.as_pointer()))
    return context.get_dummy_value()


@lower_builtin(len, TableType)  # type: ignore[untyped-decorator]
def _length(context: Any, builder: Any, types_: Any, values: Any) -> Any:
    return cgutils.create_struct_proxy(types_.args[0])(context, builder, values[0]).length


def handle_intrinsic(handle: HandleType) -> Any:
    """The intrinsic that takes the address of a header for a handle of this type."""

    @intrinsic  # type: ignore[untyped-decorator]
    def at_address(typing_context: Any, address: Any) -> Any:
        return handle(types.int64), lambda context, builder, types_, values: values[0]

    return at_address
