"""SCTBench in Python: programs with known bugs, and how many runs a strategy needs to find them."""
