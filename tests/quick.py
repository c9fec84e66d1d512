"""What of many cases alike is looked at in a quick check, `pytest -m 'not slow'`."""

import pytest


def slow_but(quick, values):
    """Return the values of a parameter; all but a few are left out of a quick check."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in values]
