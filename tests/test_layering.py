"""Data flows one way: a module imports only from the layers above its own."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pixelgan_jax"

# Top to bottom; modules of one line do not import each other.
LAYERS = [
    ["errors", "memory"],
    ["roll_call"],
    ["processes", "fields"],
    ["config"],
    ["data.files", "data.tfds", "levels", "randomness"],
    ["augmentation", "data.sources", "data.batches"],
    ["data.splits"],
    ["nn.sums"],
    ["nn.dense", "nn.halving"],
    ["nn.batch_norm", "nn.patches", "nn.discriminator"],
    ["nn.masked_conv"],
    ["nn.encoder", "nn.pixelcnn", "nn.deconv"],
    ["nn.gated"],
    ["likelihood", "prior", "objective", "microbatches"],
    ["model", "collapse"],
    ["state"],
    ["step"],
    ["parallel", "steps"],
    ["checkpoint", "sampling", "evaluation"],
    ["workdir", "provenance", "plots"],
    ["logs"],
    ["pictures", "report"],
    ["illustration", "loop"],
    ["run", "api", "scores", "markdown"],
    ["replicates"],
    ["cells"],
    ["drawings"],
    ["comparison"],
    ["main"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def module_name(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path):
    """The package's modules that a file imports, and everything else it imports."""
    own, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pixelgan_jax":
            base = node.module.removeprefix("pixelgan_jax").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                own.add(inner if inner in RANK else base)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            foreign.add(node.module)
        elif isinstance(node, ast.Import):
            foreign |= {alias.name for alias in node.names}
    return own, foreign


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def test_every_module_has_its_layer():
    assert {module_name(path) for path in MODULES} == set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_upwards_only(path):
    own, _ = imports(path)
    wrong = {name for name in own if RANK[name] >= RANK[module_name(path)]}
    assert not wrong, f"{module_name(path)} imports {sorted(wrong)}, which stand beside or below it"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_public_interfaces_and_no_pickle(path):
    _, foreign = imports(path)
    assert not [
        name for name in foreign if any(part.startswith("_") for part in name.split(".") if part != "__future__")
    ]
    assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name.split(".")[0] for name in foreign}


def test_tfds_is_imported_in_one_place_and_lazily():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        assert not {"tensorflow", "tensorflow_datasets"} & top, path
        _, foreign = imports(path)
        if {"tensorflow", "tensorflow_datasets"} & foreign:
            assert module_name(path) == "data.tfds"
