"""Pages, pictures, plots and tables."""

import importlib.util
import os

# Jupyter hands its own backend down to every `!python`, whose environment need not have it: matplotlib would not even
# be imported. Everything is drawn without a backend.
_asked = os.environ.get("MPLBACKEND", "")
if _asked.startswith("module://") and importlib.util.find_spec(_asked.removeprefix("module://").split(".")[0]) is None:
    del os.environ["MPLBACKEND"]
