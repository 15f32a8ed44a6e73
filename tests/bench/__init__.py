"""Placet beside the bare pipeline, in one run on one house: every figure of the speed table, its goal, and whether it holds.

`make bench` (or `python -m tests.bench [--long] [--write] [--only WORD]`). Nothing leaves loopback; it ends by itself.
"""
