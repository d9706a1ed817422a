"""What README and docs/ point at is there, and the figures that they begin with are those of results/."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import results

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "results" / "RESULTS.md", *(ROOT / "docs").glob("*.md"))
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in PAGES)


def anchors(path: Path) -> set[str]:
    """The fragments that a Markdown file's headings have where it is shown."""
    return {results.anchor(heading) for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    page = ROOT / name
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]
    links += re.findall(r'<img src="([^"]+)"', page.read_text())
    for link in links:
        path, _, fragment = link.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists() and aim.is_relative_to(ROOT), f"{name}: {link}"
        assert not fragment or fragment in anchors(aim), f"{name}: {link}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_modules_that_are_named_are_there(name):
    """In `…`, from the root or from the package: `tests/nn/test_layers.py`, `nn/ops.py`, `results/training.json`."""
    text = (ROOT / name).read_text()
    named = re.findall(r"`([\w.\-]+/[\w/.\-]+\.py)`", text) + re.findall(r"`?((?:results|docs)/\w+\.\w+)`?", text)
    missing = [path for path in named if not any((folder / path).is_file() for folder in (ROOT, ROOT / "pixelgan_jax"))]
    assert [path for path in missing if "NAME" not in path] == []


def test_the_documents_do_name_files():
    """So that the patterns above are known to find something."""
    readme = (ROOT / "README.md").read_text()
    assert "](docs/results.md" in readme and "`tests/test_layering.py`" in readme
    assert "how-it-works" in anchors(ROOT / "README.md")


# (results/….json, cell, metric of the test split, decimals): mean ± s.d. over the seeds, or the one seed's figure
TOLD = [
    ("table1", "best/labels_100", "error", 2),
    ("table1", "best/clusters_30", "cluster_error_best_example", 2),
    ("table1", "without_views/labels_100", "error", 2),
    ("table1_cpu", "pooled_cpu/labels_100", "error", 2),
    ("table1_cpu", "pooled_cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "pooled_cpu_longer/labels_20", "error", 2),
    ("table1_cpu", "seldom_erased_cpu_longer/labels_50", "error", 2),
    ("table1_cpu", "pooled_without_views_cpu/labels_100", "error", 2),
    ("table1_cpu", "tenth_without_views_cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "noise_alone_cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "aae_noise_alone_cpu/labels_100", "error", 2),
    ("table1_cpu", "aae_apart_pooled_cpu/labels_100", "error", 2),
    ("table1_cpu", "adversary_noise_alone_cpu/clusters_30", "cluster_error_best_example", 1),
    ("table1_cpu", "adversary_alone_cpu/clusters_30", "cluster_error_best_example", 1),
    ("table1_cpu", "aae_apart_without_views_cpu/labels_100", "error", 2),
    ("table1_cpu", "cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "cpu_longer/labels_50", "error", 2),
    ("table1_cpu", "cpu_longer/labels_20", "error", 2),
    ("table1_cpu", "cpu_longer/clusters_30", "cluster_error_best_example", 2),
    ("table1_cpu", "aae_cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "aae_cpu_longer/clusters_30", "cluster_error_best_example", 2),
    ("table1_cpu", "without_views_cpu/labels_100", "error", 1),
    ("table1_cpu", "without_views_cpu/clusters_30", "cluster_error_best_example", 1),
    ("table1_cpu", "aae_without_views_cpu/clusters_30", "cluster_error_best_example", 1),
    ("ablation_cpu", "adversary_alone/labels_100_pooling", "error", 2),
    ("ablation_cpu", "labels_alone/labels_100_pooling", "error", 2),
    ("ablation_cpu", "content_deconv/labels_100_pooling", "error", 1),
    ("figure5_cpu", "clusters_30", "cluster_error_best_example", 2),
    ("figure6_cpu", "mnist_100", "error", 2),
    ("figure6_cpu", "mnist_100", "negative_elbo_nats", 1),
    ("svhn_reduced_cpu", "pixelgan_negatives/labels_500", "error", 2),
    ("svhn_reduced_cpu", "pixelgan_negatives/labels_1000", "error", 2),
    ("svhn_reduced_cpu", "aae_negatives/labels_1000", "error", 2),
    ("likelihood_cpu", "gaussian_6d_gated_by_16/nats", "negative_elbo_nats", 2),
    ("likelihood_cpu", "gaussian_6d_gated_by_16/nats", "importance_weighted_nats", 2),
]
IN_DETAIL = [  # which README leaves to docs/results.md
    ("table1_cpu", "aae_apart_pooled_cpu/clusters_30", "cluster_error_best_example", 2),
    ("table1_cpu", "aae_pooled_without_views_cpu/labels_100", "error", 2),
    ("table1_cpu", "adversary_noise_alone_cpu/labels_100", "error", 2),
    ("table1_cpu", "adversary_alone_cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "pooled_without_views_cpu_longer/labels_100", "error", 2),
    ("table1_cpu", "noise_alone_cpu/clusters_30", "cluster_error_best_example", 1),
    ("table1_cpu", "adversary_noise_alone_by_8_cpu/clusters_30", "cluster_error_best_example", 1),
    ("ablation_cpu", "deep/labels_100", "error", 2),
    ("table1_cpu", "cpu/clusters_30", "cluster_error_best_example", 2),
    ("table1_cpu", "pooled_cpu/labels_50", "error", 2),
    ("table1_cpu", "erased_cpu/labels_50", "error", 2),
    ("table1_cpu", "erased_cpu/labels_20", "error", 2),
    ("table1_cpu", "erased_cpu_longer/labels_50", "error", 2),
    ("table1_cpu", "aae_pooled_cpu_longer/labels_20", "error", 2),
    ("table1_cpu", "pooled_cpu/clusters_30", "cluster_error_best_example", 2),
]


@pytest.mark.parametrize(("name", "cell", "metric", "decimals"), TOLD + IN_DETAIL)
def test_the_figures_are_those_of_the_results(name, cell, metric, decimals):
    cells = json.loads((ROOT / "results" / f"{name}.json").read_text())["cells"]
    [runs] = [each["runs"] for each in cells if each["name"] == cell]
    values = np.array([run["test"][metric] for run in runs if run["status"] == "done"])
    factor = 1 if metric.endswith("nats") else 100
    told = " ± ".join(
        f"{factor * value:.{decimals}f}"
        for value in (values.mean(), *([values.std(ddof=1)] if len(values) > 1 else []))
    )
    in_readme = (name, cell, metric, decimals) in TOLD
    for document in ("README.md", "docs/results.md") if in_readme else ("docs/results.md",):
        text = " ".join((ROOT / document).read_text().split())
        assert re.search(rf"(?<![\d.]){re.escape(told)}(?![\d.]?\d)", text), f"{document} does not say {told}"
