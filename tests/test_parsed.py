"""Actions that stay parsed: VowpalWabbit answers as if it had parsed everything anew, float for float."""

import gc
import json
import random  # noqa: TID251 - seeded, and outside the loop
import resource
import weakref

import pylibvw
import pytest
from policies import POLICIES
from support import GREEDY

import loopledger
from loopledger import policy as policy_module
from loopledger.adapters.vw import parsed as module
from loopledger.adapters.vw.scorer import VwScorer
from loopledger.errors import LearnerFailed
from loopledger.policy import LearningPolicy, words_of

_MORE = {
    "cubic": "--cubic ::: --epsilon 0.1",
    "interactions": "--interactions ijFG --epsilon 0.1 --leave_duplicate_interactions -q ii",
    "no-constant": "--noconstant -q :: --squarecb --gamma_exponent 0.6",
    "ignore": "--ignore j --squarecb --elim -q ::",
    "ignore-shared": "--ignore F --squarecb --elim -q ::",
    "ignore-linear": "--ignore_linear j --squarecb --elim -q ::",
    "keep": "--keep Fi --keep G --squarecb -q ::",
    "marginal": "--marginal i --epsilon 0.1",
    "marginal-features": "--marginal j --noconstant --epsilon 0.1 --initial_t 2 --decay_learning_rate 0.9",
    "large-squarecb": "--large_action_space --max_actions 3 --squarecb -q ::",
    "large-spanner": "--large_action_space --max_actions 20 --spanner_c 1 -q Fi",
    "rnd-many": "--rnd 5 -q :: --rnd_alpha 0.5 --rnd_invlambda 0.5",
    "dm": "--cb_type dm --epsilon 0.1 -q ::",
    "first-only": "--first_only --epsilon 0.1 --clip_p 0.1",
    "cover-dr": "--cb_type dr --cover 4 -q ::",
    "bag-dr": "--bag 5 --cb_type dr -q :: --random_seed 3",
    "softmax-dr": "--softmax --lambda 10 --cb_type dr -q ::",
    "adax": "--adax -q ::",
    "regcb-crossed": "--regcb -q :: --mellowness 0.1 --l1 1e-7",
    "regcbopt-crossed": "--regcbopt -q :: --cubic ::: --mellowness 0.1",
    "synthcover-small": "--synthcover --synthcoversize 20 --synthcoverpsi 0.3 -q ::",
    "invariant": "--adaptive --normalized --invariant -q ::",
    "hash": "--hash all --hash_seed 7 -b 10 -q :: --squarecb --elim",
    "ftrl-crossed": "--ftrl --ftrl_alpha 0.1 --ftrl_beta 0.1 -q :: --epsilon 0.1",
    "coin-bag": "--coin --bag 3 -q ::",
}
SINGLE = {name: policy for name, policy in POLICIES.items() if not policy.multi_slot} | {
    name: LearningPolicy(name, f"--cb_explore_adf {arguments}") for name, arguments in _MORE.items()
}
_OF_SLOTS = {"ccb_explore_adf", "ccb_no_slot_index", "all_slots_loss"}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Let contexts of a few actions use what is kept too."""
    monkeypatch.setattr(module, "LEAST", 1)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class World:
    """Contexts of a few actions that come again and again, in every shape that features may have."""

    def __init__(self, seed, *, alike=False):
        self._chance = random.Random(seed)
        # Namespaces of actions and of what is shared, which may or may not be called alike.
        self._of_actions, self._of_shared = ("FGHK", "FGijK") if alike else ("GHK", "MN")
        self.actions = [self._action(f"a{number}") for number in range(20)]

    def _features(self, namespaces):
        chance = self._chance
        values = [chance.random(), "x", "y z", "ü", True, -2, chance.random() * 1000]
        features = {name: chance.choice(values) for name in chance.sample("abcdefg", chance.randint(0, 4))}
        if namespaces:
            features[chance.choice(namespaces)] = chance.choice([self._features(""), [0.1, chance.random()]])
        return features

    def _action(self, name):
        features = [self._features(self._of_actions) for _ in range(self._chance.randint(0, 2))]
        return compact({"_tag": name, "i": {"constant": 1, "id": name}, "j": features})

    def context(self):
        """Return a context, and its actions apart."""
        shared = [self._features(self._of_shared) for _ in range(self._chance.choice([0, 1, 1, 2]))]
        actions = self._chance.sample(self.actions, self._chance.choice([1, 2, 3, 5, 10, 20]))
        return b'{"FromUrl":%b,"_multi":[%b]}' % (compact(shared), b",".join(actions)), actions

    def lesson(self):
        """Return a line to learn from."""
        context, actions = self.context()
        at, count = self._chance.randrange(len(actions)), len(actions)
        label = {"_label_cost": -self._chance.random(), "_label_probability": 1 / count}
        label |= {
            "_label_Action": at + 1,
            "_labelIndex": at,
            "a": [*range(1, count + 1)],
            "p": [1 / count] * count,
        }
        return compact(label)[:-1] + b',"c":' + context + b"}\n"


def taught(vw, policy, world):
    return vw.fold(policy, None, [world.lesson() for _ in range(150)]).model


def test_every_option_is_tried():
    tried = {option for policy in SINGLE.values() for option, _ in words_of(policy.arguments)}
    allowed = policy_module._FLAGS | {*policy_module._WHOLE, *policy_module._NUMBERS, *policy_module._CHOICES}
    assert (allowed | policy_module._NAMESPACES) - tried - _OF_SLOTS == set()


@pytest.mark.parametrize("alike", [False, True], ids=["apart", "alike"])
@pytest.mark.parametrize("name", sorted(SINGLE))
def test_answers_are_those_of_parsing_everything(vw, name, alike):
    policy, world = SINGLE[name], World(name, alike=alike)
    model = taught(vw, policy, world)
    keeping, parsing = VwScorer(policy, model), VwScorer(policy, model)
    contexts = [world.context() for _ in range(120)]
    for context, actions in contexts * 4:
        assert keeping.score(context, actions) == parsing.score(context)
    assert len(keeping._actions._kept) == 20
    assert unlike(keeping) == []
    keeping.close()
    parsing.close()


def unlike(scorer):
    """Return the actions that a scorer keeps in another form than they are parsed to."""
    found = []
    for action, kept in scorer._actions._kept._kept.items():
        shared, fresh = scorer._workspace._parse(b'{"_multi":[%b]}' % action)
        if form(fresh) != form(kept.example):
            found.append(action)
        scorer._actions.finish([shared, fresh])
    return found


def form(example):
    namespaces = [example.namespace(at) for at in range(example.num_namespaces())]
    return example.get_tag(), example.get_total_sum_feat_sq(), example.get_ft_offset(), [
        (
            namespace,
            example.sum_feat_sq(namespace),
            [
                (example.feature(namespace, at), example.feature_weight(namespace, at))
                for at in range(example.num_features_in(namespace))
            ],
        )
        for namespace in namespaces
    ]  # fmt: skip


def test_namespaces_called_alike_would_make_a_difference(vw, monkeypatch):
    """That contexts are parsed whole where shared features and actions have such is not for nothing."""
    world = World(1, alike=True)
    scorer = VwScorer(GREEDY, taught(vw, GREEDY, world))
    monkeypatch.setattr(module._Parsed, "namespaces", frozenset())
    for context, actions in [world.context() for _ in range(300)]:
        scorer.score(context, actions)
    assert unlike(scorer) != []
    scorer.close()


@pytest.mark.slow
def test_nothing_drifts(vw):
    policy, world = SINGLE["squarecb-elim"], World(2)
    model = taught(vw, policy, world)
    keeping, parsing = VwScorer(policy, model), VwScorer(policy, model)
    contexts = [world.context() for _ in range(200)]
    expected = [parsing.score(context) for context, _ in contexts]
    for _ in range(500):
        assert [keeping.score(context, actions) for context, actions in contexts] == expected
    assert unlike(keeping) == []
    keeping.close()
    parsing.close()


def test_only_what_has_room_is_kept_and_all_is_let_go(vw, monkeypatch):
    monkeypatch.setattr(module, "MOST", 7)
    world = World(3)
    model = taught(vw, GREEDY, world)
    keeping, parsing = VwScorer(GREEDY, model), VwScorer(GREEDY, model)
    given_back = []
    finish = module._finish
    monkeypatch.setattr(
        module,
        "_finish",
        lambda workspace, examples: (given_back.extend(examples), finish(workspace, examples)),
    )
    for context, actions in [world.context() for _ in range(300)]:
        assert keeping.score(context, actions) == parsing.score(context)
    kept = [known.example for known in keeping._actions._kept._kept.values()]
    assert len(kept) == 7
    given_back.clear()
    keeping.close()
    assert {*map(id, given_back)} == {*map(id, kept)}
    parsing.close()


def test_nothing_is_kept_where_it_saves_nothing(vw, monkeypatch):
    monkeypatch.setattr(module, "LEAST", 3)
    world = World(5)
    scorer = VwScorer(GREEDY, taught(vw, GREEDY, world))
    for count, kept in ((2, 0), (3, 3)):
        some = world.actions[:count]
        for _ in range(3):
            scorer.score(b'{"FromUrl":[{"x":1}],"_multi":[%b]}' % b",".join(some), some)
        assert len(scorer._actions._kept) == kept
    scorer.close()


def test_answering_with_what_is_kept_does_not_leak(vw):
    world = World(6)
    scorer = VwScorer(GREEDY, taught(vw, GREEDY, world))
    contexts = [world.context() for _ in range(50)]

    def grown(times):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(times):
            for context, actions in contexts:
                scorer.score(context, actions)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    grown(20)
    assert grown(300) < 4096  # kilobytes
    scorer.close()


@pytest.mark.usefixtures("lent")
def test_a_request_as_json_is_answered_with_what_is_kept(tmp_path):
    clock = loopledger.SimulatedClock()
    with loopledger.open(tmp_path, clock=clock) as ledger:
        loop = ledger.create("shop")
        request = b'{"contextFeatures":[{"h":%d}],"actions":[{"id":"a","features":[{"x":1}]},{"id":"b"}]}'
        for hour in range(20):
            loop.reward(loop.rank_json(request % hour).event_id, 1.0)
        clock.advance(3600)
        loop.train()
        for hour in range(20):
            loop.rank_json(request % hour)
        assert len(loop._session().inbox._desk.loop._scorer._actions._kept) == 2
        # It is verified from what is in the log, where every context is parsed whole.
        verification = loop.verify()
        assert verification.findings.problems == ()
        assert verification.findings.decisions == 40


def test_after_a_failure_everything_is_parsed_anew(vw, monkeypatch):
    world = World(4)
    scorer = VwScorer(GREEDY, taught(vw, GREEDY, world))
    context, actions = world.context()
    before = [scorer.score(context, actions) for _ in range(3)]

    def fails(*_):
        raise RuntimeError("out of order")

    with monkeypatch.context() as broken:
        broken.setattr(pylibvw.vw, "predict_multi", fails)
        with pytest.raises(LearnerFailed, match="out of order"):
            scorer.score(context, actions)
    assert len(scorer._actions._kept) == 0
    assert [scorer.score(context, actions) for _ in range(3)] == before
    assert len(scorer._actions._kept) == len(actions)
    scorer.close()


def test_a_model_is_gone_with_its_last_use(vw):
    world = World(4)
    scorer = VwScorer(GREEDY, taught(vw, GREEDY, world))
    context, actions = world.context()
    for _ in range(3):
        scorer.score(context, actions)
    assert len(scorer._actions._kept) == len(actions)
    model = weakref.ref(scorer._workspace)
    gc.disable()
    try:
        scorer.close()
        del scorer
        assert model() is None  # not only when Python next looks for cycles: it takes megabytes
    finally:
        gc.enable()
