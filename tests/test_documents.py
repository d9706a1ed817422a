"""What README and docs/ point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))


def anchors(path: Path) -> set[str]:
    """The fragments that a Markdown file's headings have where it is shown: GitHub's rule for headings of one kind."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


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
