"""The Open Bandit sample as cases: logs of two policies over the same catalogue, with propensities.

Y. Saito, S. Aihara, M. Matsutani, Y. Narita, "Open Bandit Dataset and Pipeline", NeurIPS 2021 (arXiv:2008.07146).
What the Thompson sampler would do follows from its priors (thompson_priors.json, from the package obp,
Apache-2.0): the three best of independent draws from Beta distributions. obp counts 100,000 draws; here
the probabilities are integrated, so that they are the same everywhere.
"""

import csv
import gzip
import json
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta
from support import SHARED

from loopledger.evaluation.cases import Cases

POSITIONS = 3


@cache
def cases_of(policy, campaign):
    path = SHARED / "data" / "open_bandit" / policy / campaign / f"{campaign}.csv.gz"
    if not path.exists():
        pytest.skip("the Open Bandit sample is not here: see CONTRIBUTING.md")
    with gzip.open(path, "rt") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["timestamp"])
    count = len(rows)
    at = [int(datetime.fromisoformat(row["timestamp"]).timestamp() * 1e6) for row in rows]
    cases = Cases(
        seq=np.arange(count),
        at=np.array(at),
        slot=np.zeros(count, dtype=np.int64),
        offered=np.full(count, len(priors(campaign)["alpha"])),
        position=np.array([int(row["item_id"]) for row in rows]),
        baseline=np.zeros(count, dtype=np.int64),
        propensity=np.array([float(row["propensity_score"]) for row in rows]),
        reward=np.array([float(row["click"]) for row in rows]),
        explored=np.ones(count, dtype=np.bool_),
    )
    return cases, np.array([int(row["position"]) - 1 for row in rows])


def priors(campaign):
    return json.loads((Path(__file__).parent / "thompson_priors.json").read_text())[campaign]


def expected_clicks(campaign):
    """Say how probable a click is, for each item, as the sampler believed."""
    alpha, other = (np.array(priors(campaign)[name], dtype=float) for name in ("alpha", "beta"))
    return alpha / (alpha + other)


@cache
def thompson(campaign):
    """Say how probable each item is at each position: shape (items, positions)."""
    alpha, other = (np.array(priors(campaign)[name], dtype=float) for name in ("alpha", "beta"))
    nodes = np.linspace(0, 0.02, 2_001)
    density = beta.pdf(nodes[:, None], alpha, other)
    above = beta.sf(nodes[:, None], alpha, other)
    chances = []
    for item in range(len(alpha)):
        ahead = np.zeros((POSITIONS, len(nodes)))  # how probable it is that 0, 1, 2 others draw more
        ahead[0] = 1
        for rival in np.delete(above, item, axis=1).T:
            ahead[1:] = ahead[1:] * (1 - rival) + ahead[:-1] * rival
            ahead[0] *= 1 - rival
        chances.append(np.trapezoid(ahead * density[:, item], nodes, axis=1))
    return np.array(chances)
