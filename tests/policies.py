"""Learning policies of every kind, for tests that must hold for all of them."""

from loopledger.policy import LearningPolicy

_ARGUMENTS = {
    "personalizer": "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "ips": "--cb_explore_adf --epsilon 0.1 --cb_type ips -q :i",
    "dr": "--cb_explore_adf --epsilon 0.1 --cb_type dr",
    "sm": "--cb_explore_adf --epsilon 0.1 --cb_type sm",
    "bag": "--cb_explore_adf --bag 4 --random_seed 7 -q :i",
    "bag-greedy": "--cb_explore_adf --bag 3 --greedify",
    "cover": "--cb_explore_adf --cover 3 --psi 0.1",
    "cover-nounif": "--cb_explore_adf --cover 3 --nounif",
    "rnd": "--cb_explore_adf --rnd 2 --epsilon 0.02",
    "regcb": "--cb_explore_adf --regcb --mellowness 0.01 --cb_min_cost -1 --cb_max_cost 0",
    "regcbopt": "--cb_explore_adf --regcbopt --cb_min_cost -1 --cb_max_cost 0",
    "squarecb": "--cb_explore_adf --squarecb --gamma_scale 20 -q :i",
    "squarecb-elim": "--cb_explore_adf --squarecb --elim --cb_min_cost -1 --cb_max_cost 0",
    "softmax": "--cb_explore_adf --softmax --lambda 5 -q :i",
    "first": "--cb_explore_adf --first 4",
    "synthcover": "--cb_explore_adf --synthcover -q :i -q :j",
    "epsilon-decay": "--cb_explore_adf --epsilon 0.2 --epsilon_decay",
    "regularized": "--cb_explore_adf --epsilon 0.1 --l1 1e-6 --l2 1e-6",
    "coin": "--cb_explore_adf --epsilon 0.1 --coin",
    "ftrl": "--cb_explore_adf --epsilon 0.1 --ftrl",
    "sgd": "--cb_explore_adf --epsilon 0.1 --sgd",
    "large": "--cb_explore_adf --epsilon 0.1 --large_action_space --max_actions 2",
    "hash-all": "--cb_explore_adf --epsilon 0.1 --hash all -b 14",
    "slots": "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
    "slots-squarecb": "--ccb_explore_adf --squarecb --gamma_scale 10 -q :i",
    "slots-softmax": "--ccb_explore_adf --softmax --lambda 3",
}
POLICIES = {name: LearningPolicy(name, arguments) for name, arguments in _ARGUMENTS.items()}
