"""The loop, over devices and processes, and what it leaves in a workdir."""
