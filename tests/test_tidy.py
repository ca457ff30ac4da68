"""The shape of the sources: sizes, imports and names that a reader relies on."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("matching", "ledger", "feeds", "exchange")
SOURCES = sorted(
    path.relative_to(ROOT) for top in (*PACKAGES, "bench") for path in (ROOT / top).rglob("*.py")
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
ARGUMENTS_MAX = 10

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer, by `module.function`, each with the reason."""

MANY_ARGUMENTS = {
    "feeds.protocol.commands.new_order": "a field of the order each, all but five by keyword",
    "feeds.protocol.commands.new_block": "the same for a block",
}
"""Functions that may take more arguments, by `module.function`, each with the reason."""

STARTED_BY_NAME = {
    "exchange.cli": "the command `suanshi`",
    "feeds.protocol.document_tables": "python -m feeds.protocol.document_tables",
    "feeds.protocol.worked_example": "the test of PROTOCOL.md, which shows it in hex",
}
"""Modules that no other module imports, and how each is reached."""

RIDDLE = re.compile(r"(What|Who|Whose|Whom|How|Where|Which|When|Why)\b")
"""A docstring that opens so names a question instead of the thing."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
TREES = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in SOURCES}


def name_of(path: Path) -> str:
    """A module's name as import statements have it."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def functions() -> Iterator[tuple[str, Function]]:
    """Every function of the sources, by `module.function`."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name_of(path)}.{node.name}", node


def is_command(function: Function) -> bool:
    """Whether click calls a function: its arguments are the options of a command."""
    return any("command(" in ast.unparse(each) for each in function.decorator_list)


def arguments_of(function: Function) -> int:
    """The number of a function's arguments without `self` or `cls`."""
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def imports_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every import of a file as (module, name), also inside functions and for types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, each.name) for each in node.names)
        elif isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names)


def imported_modules(tree: ast.Module) -> set[str]:
    """The modules of this project that a file imports; `from package import module` is one."""
    named = ((module, f"{module}.{name}") for module, name in imports_of(tree))
    return {whole if whole in MODULES else module for module, whole in named} & MODULES.keys()


def test_no_file_is_long() -> None:
    lines = {path: (ROOT / path).read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {str(path) for path in SOURCES if lines[path] > FILE_LINES_MAX} == set()


def test_no_function_is_long() -> None:
    long = {
        name
        for name, node in functions()
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert long == LONG_FUNCTIONS.keys()


def test_no_function_takes_many_arguments() -> None:
    many = {
        name
        for name, node in functions()
        if arguments_of(node) > ARGUMENTS_MAX and not is_command(node)
    }
    assert many == MANY_ARGUMENTS.keys()


def test_no_module_imports_a_private_name() -> None:
    private = {
        f"{path}: {module}.{name}"
        for path, tree in TREES.items()
        for module, name in imports_of(tree)
        if module.partition(".")[0] in (*PACKAGES, "bench") and re.match("_(?!_)", name)
    }
    assert private == set()


def test_no_numbers_are_named_by_their_position() -> None:
    """`A, B, C = range(3)` breaks when a name is added: a dtype or an enumeration does not."""
    unpacked = {
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "range"
    }
    assert unpacked == set()


def test_every_module_is_reached() -> None:
    imported = {
        each for path, tree in TREES.items() for each in imported_modules(tree) - {name_of(path)}
    }
    in_packages = {name for name, path in MODULES.items() if path.parts[0] in PACKAGES}
    rooms = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert in_packages - imported - rooms == STARTED_BY_NAME.keys()


def test_no_two_files_import_each_other_in_a_circle() -> None:
    """Also by way of others, inside functions, and for types alone."""
    graph = {name_of(path): imported_modules(tree) for path, tree in TREES.items()}
    TopologicalSorter({name: graph[name] - {name} for name in graph}).prepare()  # else CycleError


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings of a module, its classes and functions, and those behind constants and fields."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | Function):
            continue
        for each in node.body:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                yield str(each.value.value)


def test_no_docstring_opens_with_a_question() -> None:
    riddles = {
        f"{path}: {text}"
        for path, tree in TREES.items()
        for text in docstrings(tree)
        if RIDDLE.match(text)
    }
    assert riddles == set()


def test_the_architecture_page_describes_every_room_as_the_room_does() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path for path in SOURCES if path.name == "__init__.py" and path.parts[0] in PACKAGES]
    for room in rooms:
        if len(room.parts) == 3:
            described = (ast.get_docstring(TREES[room]) or "").partition("\n")[0]
            assert described, room
            assert described in page, room
