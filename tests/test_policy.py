import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.adapters.ready import ready_policies
from loopledger.errors import InvalidRequest
from loopledger.policy import LearningPolicy, check_policy, join_words, policy_from, words_of

CB = "--cb_explore_adf"


def test_forms_of_options():
    words = words_of("--cb_explore_adf --epsilon=0.2 -q :: -qab -l 0.1 --interactions abc --power_t 0")
    assert words == (
        ("cb_explore_adf", None),
        ("epsilon", "0.2"),
        ("quadratic", "::"),
        ("quadratic", "ab"),
        ("learning_rate", "0.1"),
        ("interactions", "abc"),
        ("power_t", "0"),
    )
    assert words_of(join_words(words)) == words


def test_options_that_the_learner_sets_itself_are_left_out():
    assert words_of(f"{CB} --dsjson --quiet --save_resume --epsilon 0.1") == (
        ("cb_explore_adf", None),
        ("epsilon", "0.1"),
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--epsilon 0.2", "must contain --cb_explore_adf"),
        (f"{CB} --ccb_explore_adf", "and not both"),
        (f"{CB} -f /tmp/model", "is not an option"),
        (f"{CB} --final_regressor /tmp/model", "not among the allowed"),
        (f"{CB} --readable_model=/etc/passwd", "not among the allowed"),
        (f"{CB} --invert_hash x", "not among the allowed"),
        (f"{CB} --data x", "not among the allowed"),
        (f"{CB} -d x", "is not an option"),
        (f"{CB} --cache_file x", "not among the allowed"),
        (f"{CB} --audit_regressor x", "not among the allowed"),
        (f"{CB} --extra_metrics x", "not among the allowed"),
        (f"{CB} --epsilon 1.5", "between 0 and 1"),
        (f"{CB} --epsilon nan", "between 0 and 1"),
        (f"{CB} --epsilon", "must be a number"),
        (f"{CB} --bag 1000", "whole number between 1 and 100"),
        (f"{CB} -b 40", "whole number between 8 and 24"),
        (f"{CB} --cb_type nope", "must be one of"),
        (f"{CB} --epsilon 0.1 --epsilon 0.2", "only once"),
        (f"{CB} -q", "needs namespaces"),
        (f"{CB} -q --epsilon 0.1", "needs namespaces"),
        ("--cats 4", "not supported"),
        (f"{CB} nonsense", "is not an option"),
        (f"{CB} {'x' * 1100}", "at most 1024"),
        (f"{CB} --épsilon 1", "ASCII"),
        (f"{CB}\n--epsilon 0.1", "ASCII"),
    ],
)
def test_what_is_refused(arguments, says):
    with pytest.raises(InvalidRequest, match=says):
        check_policy(LearningPolicy("p", arguments))


@given(st.text(st.characters(codec="ascii"), max_size=80))
def test_whatever_the_arguments_only_known_words_come_through(text):
    try:
        words = words_of(f"{CB} {text}")
    except InvalidRequest:
        return
    assert words_of(join_words(words)) == words


def test_exploration_replaces_epsilon():
    policy = LearningPolicy("p", f"{CB} --epsilon 0.2 -q ::")
    assert policy.with_exploration(None) is policy
    assert policy.with_exploration(0.5).arguments == f"{CB} --quadratic :: --epsilon 0.5"


def test_kind_of_decision():
    assert LearningPolicy("p", CB).decision_kind == "Ranked"
    assert LearningPolicy("p", "--ccb_explore_adf").decision_kind == "SlotsRanked"


def test_policy_files():
    assert policy_from(json.loads('{"name": "n", "arguments": "--cb_explore_adf"}')).name == "n"
    for values in (
        {},
        {"name": "n"},
        {"name": "", "arguments": CB},
        {"name": "n" * 300, "arguments": CB},
        [],
        3,
    ):
        with pytest.raises(InvalidRequest):
            policy_from(values)


def test_ready_policies_are_accepted_by_the_engine(vw):
    policies = ready_policies()
    assert policies["personalizer-default"].arguments == (
        "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
    )
    for policy in policies.values():
        vw.probe(policy)
