"""Files become images and labels: one module for each kind, and formats.py, which knows which kind there is."""
