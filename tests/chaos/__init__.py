"""Chaos: thousands of requests through a real house of three brokers and three databases while faults strike.

`make chaos` (or `python -m tests.chaos [--long] [--seed N] [--requests N] [--faults N]`). Every effect outside the house is
written down by the processes that saw it; when the faults are over, the whole history is judged against what must always
hold. Exit code 0: it held; 1: a rule was broken (told with the seed and the lines that show it); 2: the run itself failed.
"""
