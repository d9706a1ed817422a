"""results/RESULTS.md from the tables and figures that `--mode table` and `--mode figure` gathered.

Run: python -m benchmarks.results [WORKDIR ...] [--out results]

Copies NAME.json and NAME.png of the workdirs named into the folder, then writes RESULTS.md anew from all that lie
there, and the tables' learning curves.
"""

import argparse
import importlib
import json
import re
import shutil
from pathlib import Path

import experiments
from pixelgan_jax.commands import tables_and_figures
from pixelgan_jax.report import markdown, plots

INTRODUCTION = """\
# Results

Written by `python -m benchmarks.results` from the JSON files beside it. Mean ± sample standard deviation over the
seeds, which vary initialisation, data order, validation split and labelled subset together; a curve is the seeds' mean,
its band what lies between the least and the greatest; `FOLDER` is where the data lie. Of published numbers, *verified*
ones were read in a source, *recalled* ones are from memory and were not checked.
"""


def gathered(folder: Path) -> list[dict]:
    """The tables, then the figures, that lie in the folder."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [each for kind in tables_and_figures.MODES for each in found if each.get("kind") == kind]


def planned() -> list[str]:
    """The experiments of which a table or a figure is made."""
    names = sorted(path.stem for path in Path(experiments.__path__[0]).glob("*.py"))
    return [name for name in names if hasattr(importlib.import_module(f"experiments.{name}"), "get_plan")]


def anchor(heading: str) -> str:
    """The fragment that leads to a heading, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(folder: Path) -> str:
    found = gathered(folder)
    missing = [f"`{name}`" for name in planned() if name not in {each["name"] for each in found}]
    parts = [INTRODUCTION]
    if missing:
        parts.append(f"Not run yet: {', '.join(missing)}. Those without `_cpu` are full-size and meant for a GPU.\n")
    parts.append("\n".join(f"- [{each['title']}](#{anchor(each['title'])})" for each in found) + "\n")
    for each in found:
        text = (markdown.table if each["kind"] == "table" else markdown.figure_with_claim)(each)
        parts.append(f"## {each['title']}\n\n{text}")
        if (folder / f"{each['name']}.png").exists():
            parts.append(f"![{each['title']}]({each['name']}.png)\n")
        made = markdown.provenance(each)
        parts.append(
            f"<details><summary>How it was made: <code>{each['name']}</code></summary>\n\n{made}\n</details>\n"
        )
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdirs", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for workdir in asked.workdirs:
        made = gathered(workdir)
        if not made:
            parser.error(f"{workdir}: holds no table and no figure; must be a workdir of --mode table or figure")
        for path in (workdir / f"{each['name']}{ending}" for each in made for ending in (".json", ".png")):
            if path.exists():
                shutil.copyfile(path, asked.out / path.name)
    for each in gathered(asked.out):
        if each["kind"] == "table" and (png := plots.table_curves(each)):
            (asked.out / f"{each['name']}.png").write_bytes(png)
    (asked.out / "RESULTS.md").write_text(page(asked.out))
    print(asked.out / "RESULTS.md")


if __name__ == "__main__":
    main()
