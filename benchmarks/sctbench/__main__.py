"""How many runs a strategy needs to find the known bugs of SCTBench, beside published figures.

    python benchmarks/sctbench [PROGRAM ...] [--strategies random] [--seeds 20] [--cap 10000] [--twins] [--json PATH]

For each program and strategy: how many seeds of all found the bug, the mean number of runs to the first failure over
those that did, the runs per second, and the preemptions that were left after shrinking (the least and the most). Beside
it the least number of preemptions that can show the bug, the published mean of a random walk, and the lowest of all
published means with whose it is. With --twins, the same of each program's corrected twin: in how many runs it was
silent, or how many interleavings there are if all were covered. The table is Markdown; --json writes all figures.
"""

import sys
from pathlib import Path

if not __package__:  # run as a folder: the package that this file is in is not found yet
    sys.path.insert(0, str(Path(__file__).parent.parent))

from sctbench.command import main

if __name__ == "__main__":
    main(__doc__ or "")
