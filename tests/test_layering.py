"""Data flows one way: a room imports only from the rooms below it, and no room has a cycle inside."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pixelgan_jax"
# from the bottom to the top
ROOMS = [
    "errors",
    "config",
    "data",
    "nn",
    "methods",
    "training",
    "evaluation",
    "report",
    "commands",
    "api",
    "cli",
    "main",
]
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room(module: str) -> str:
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it; a package's for a name that it defines itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(MODULES) | ({node.module} if inner - set(MODULES) else set())
    return found


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


def test_a_room_imports_only_from_the_rooms_below_it():
    for module in MODULES.keys() - {"pixelgan_jax"}:
        for other in IMPORTS[module] & MODULES.keys() - {"pixelgan_jax"}:
            assert room(module) == room(other) or ROOMS.index(room(other)) < ROOMS.index(room(module)), (module, other)


def test_no_room_has_a_cycle_inside():
    TopologicalSorter({module: IMPORTS[module] & MODULES.keys() for module in MODULES}).prepare()  # CycleError


@pytest.mark.parametrize("module", MODULES)
def test_only_public_interfaces_and_no_pickle(module):
    names = [name.split(".") for name in IMPORTS[module]]
    assert not [name for name in names if any(part.startswith("_") for part in name if part != "__future__")]
    assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name[0] for name in names}


def test_tfds_is_imported_in_one_place_and_lazily():
    for module, path in MODULES.items():
        top = {
            alias.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not {"tensorflow", "tensorflow_datasets"} & top, path
        if {"tensorflow", "tensorflow_datasets"} & IMPORTS[module]:
            assert module == "pixelgan_jax.data.readers.tfds"
