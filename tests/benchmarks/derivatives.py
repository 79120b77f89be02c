"""All that derivatives cost in one table: ``python tests/benchmarks/derivatives.py``, twenty minutes of one core.

Runs, gradients, directions, products with the Hessian, recorded windows, one-step derivatives, networks; the time to
make each kind of kernel; what is stepped eagerly, and why. The last columns hold ratios to a scalar C program and to
eager steps at the same go. More arguments go to pytest: ``-k enthalpy`` picks rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FILES = ("test_speed.py", "test_gradient_cost.py", "test_derivative_cost.py", "test_network_cost.py", "test_kernels.py")
HERE = Path(__file__).parent

if __name__ == "__main__":
    files = [str(HERE / name) for name in FILES]
    sys.exit(pytest.main([*files, "-q", "-p", "no:cacheprovider", "-m", "", *sys.argv[1:]]))
