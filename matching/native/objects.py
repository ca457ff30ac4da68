"""Object code of the compiled machine that links without Python.

Numba compiles the entries like any kernel. Their optimised code is linked into one module; a C
function wraps each entry, and all other functions become private. LLVM then optimises the module
again and writes it as position-independent code.
"""

from typing import Any

import llvmlite.binding as llvm
import numba
from numba import int64

from matching.loop import run
from matching.memory.compiler import compile_quickly
from matching.memory.machine_type import MACHINE
from matching.native.entries import ENTRIES

PREFIX = "suanshi_core_"

ALLOWED = {"memset", "memcpy", "memmove"}
"""External functions that the object may use: LLVM turns loops into calls of these."""


def object_code(any_cpu: bool = False) -> bytes:
    """An object file with the functions of ENTRIES, each under PREFIX and its own name.

    The code is for this processor, or for any of its architecture. Takes half a minute, because the
    whole machine is compiled. Raises RuntimeError if the code needs Numba or Python to link.
    """
    compile_quickly(run, (MACHINE, int64))
    module = _link({name: _compile(*entry) for name, entry in ENTRIES.items()})
    target = _target(any_cpu)
    _optimise(module, target)
    check_standalone(module)
    return bytes(target.emit_object(module))


def check_standalone(module: Any) -> None:
    """Raise RuntimeError if a module needs functions beyond ALLOWED: Numba's or Python's own."""
    declared = {function.name for function in module.functions if function.is_declaration}
    foreign = {name for name in declared - ALLOWED if not name.startswith("llvm.")}
    if foreign:
        raise RuntimeError(f"native code: it needs {', '.join(sorted(foreign))}, which is Python's")


def _compile(function: Any, arguments: int) -> tuple[str, str, int]:
    """The name and the LLVM text of an entry as Numba compiles it, and its number of arguments."""
    dispatcher = numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(
        function
    )
    dispatcher.compile((int64,) * arguments)
    (result,) = dispatcher.overloads.values()
    return result.fndesc.llvm_func_name, result.library.get_llvm_str(), arguments


def _link(compiled: dict[str, tuple[str, str, int]]) -> Any:
    """One module of all entries and their C functions; only the C functions are exported."""
    module = llvm.parse_assembly("")
    for _, text, _ in compiled.values():
        module.link_in(llvm.parse_assembly(text))
    wrappers = (_wrapper(PREFIX + name, inner, n) for name, (inner, _, n) in compiled.items())
    module.link_in(llvm.parse_assembly("\n".join(wrappers)))
    exported = {PREFIX + name for name in compiled}
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name not in exported:
            value.linkage = "internal"
    return module


def _wrapper(name: str, inner: str, arguments: int) -> str:
    """A C function that calls an entry and returns its result.

    Numba's code writes the result through a pointer and returns a status, which is 0, because
    kernels raise no exceptions.
    """
    kinds = ", ".join(["i64"] * arguments)
    given = ", ".join(f"i64 %a{n}" for n in range(arguments))
    return f"""
declare i32 @{inner}(ptr, ptr, {kinds})
define i64 @{name}({given}) {{
  %result = alloca i64
  call i32 @{inner}(ptr %result, ptr null, {given})
  %value = load i64, ptr %result
  ret i64 %value
}}"""


def _target(any_cpu: bool) -> Any:
    cpu, features = "generic", ""
    if not any_cpu:
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small"
    )


def _optimise(module: Any, target: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
