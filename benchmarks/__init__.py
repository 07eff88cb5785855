"""Benchmarks: `python -m benchmarks` lists them. Each puts a rival or a bare loop beside the real thing."""
