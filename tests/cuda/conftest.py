"""Tests of simulated kernels are for a process that simulates: test_simulator.py starts it."""

import os

collect_ignore_glob = [] if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" else ["simulated*.py"]
