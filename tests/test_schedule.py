"""When candidates learn: the loop's own batches or, where there are none, so many decisions at a time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.evaluation import schedule
from loopledger.evaluation.schedule import Schedule, Training, stretches
from loopledger.evaluation.search import thinned


class Rows:
    """Decisions with these seqs, of which those from one on are judged."""

    kind = "Ranked"

    def __init__(self, seqs, judged_from=1):
        self.seqs, self.judged_from = np.array(sorted(seqs), np.int64), judged_from

    def column(self, name):
        assert name == "seq"
        return self.seqs


seqs = st.sets(st.integers(1, 60), min_size=1, max_size=40)
trainings = st.lists(st.builds(Training, st.integers(1, 60), st.integers(1, 60)), max_size=8).map(
    lambda found: tuple(sorted(training for training in found if training.last < training.seq))
)


@given(seqs, trainings, st.integers(1, 30), st.integers(1, 10))
def test_every_decision_is_answered_once_by_what_was_known(seqs, trainings, judged_from, batch_at_least):
    rows = Rows(seqs, judged_from)
    answered, known = Counter(), 0
    plan = Schedule(trainings, own=True)
    for stretch in stretches(plan, rows, batch_at_least=batch_at_least):
        for learned in stretch.learned:
            assert learned - known >= batch_at_least
            known = learned
        assert stretch.first < stretch.last
        for place in range(stretch.first, stretch.last):
            answered[place] += 1
            seq = rows.seqs[place]
            last = max((training.last for training in trainings if training.seq < seq), default=0)
            could = int((rows.seqs <= last).sum())
            assert known <= could
            if batch_at_least == 1:
                assert known == could
    wanted = [place for place, seq in enumerate(rows.seqs) if seq >= judged_from]
    assert dict(answered) == dict.fromkeys(wanted, 1)


class Imported(Rows):
    def __init__(self, at, wait):
        self.columns = {
            "seq": np.arange(1, len(at) + 1),
            "at": np.array(at),
            "closes": np.array(at) + wait,
            "elsewhere": np.ones(len(at), bool),
        }

    def column(self, name):
        return self.columns[name]


@pytest.mark.parametrize("imported_only", [True, False])
def test_by_count_nothing_is_learned_before_its_window_closes(monkeypatch, imported_only):
    monkeypatch.setattr(schedule, "BATCH", 10)
    found = list(schedule._by_count(Imported(list(range(0, 1000, 10)), 195), imported_only=imported_only))
    assert [training.seq for training in found] == list(range(20, 100, 10))
    for training in found:
        assert (training.last - 1) * 10 + 195 <= training.seq * 10
        assert training.last * 10 + 195 > training.seq * 10


class Counted:
    """A column that counts how often one looks into it."""

    def __init__(self, values):
        self.values, self.looks = values, 0

    def __len__(self):
        return len(self.values)

    def __getitem__(self, place):
        self.looks += 1
        return self.values[place]


def test_a_training_costs_the_same_however_many_decisions_there_are():
    rows = Rows(range(1, 20_001))
    column = Counted(rows.seqs)
    rows.column = lambda _: column
    trainings = tuple(Training(seq, seq - 10) for seq in range(100, 20_000, 100))
    plan = Schedule(trainings, own=True)
    assert len(list(stretches(plan, rows))) == len(trainings) + 1
    assert [training.seq for training in thinned(plan, rows).trainings] == list(range(600, 20_000, 500))
    assert column.looks < 60 * len(trainings)
