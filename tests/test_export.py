"""Exports: of what, in which form, and that other programs can read them."""

import csv
import io
import json
import os
from hashlib import sha256

import msgspec
import pylibvw
import pytest
from exported import ACTIONS, DECISIONS, GREEDY, SLOTS, learned, live
from policies import POLICIES

import loopledger
from loopledger import Settings, Slot
from loopledger.adapters.export import target
from loopledger.adapters.vw.arguments import to_fold
from loopledger.exchange.cooked import learning_line
from loopledger.learning.joining import join

pytestmark = pytest.mark.usefixtures("lent")
QUIET = Settings(model_update_frequency=0)
MODES = ["Online", "Apprentice", "LoggingOnly"]


@pytest.fixture
def ledger(clock):
    with loopledger.open(":memory:", clock=clock) as ledger:
        yield ledger


def text_of(loop, **what):
    out = io.BytesIO()
    done = loop.export(out, **what)
    assert done.file is None
    return out.getvalue()


def lines_of(loop, **what):
    return [json.loads(line) for line in text_of(loop, **what).splitlines()]


def table_of(loop, **what):
    written = text_of(loop, format="csv", **what).decode()
    return list(csv.DictReader(io.StringIO(written, newline="")))


def learn(policy, data):
    """Return the model that VowpalWabbit's own driver makes of a file."""
    made = data.with_suffix(".vw")
    workspace = pylibvw.vw(to_fold(policy, None, str(data)))
    workspace.run_parser()
    examples = workspace.get_weighted_examples()
    workspace.save(str(made))
    workspace.finish()
    return made.read_bytes(), examples


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("slots", [False, True])
def test_vowpalwabbit_learns_the_same_model_from_the_file_as_training_did(
    tmp_path, ledger, clock, slots, mode
):
    loop = learned(ledger, clock, slots=slots, mode=mode)
    model = loop.model()
    out = tmp_path / "log.dsjson"
    done = loop.export(out)
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert (done.rows, len(lines), done.left_out) == (3 * DECISIONS, 3 * DECISIONS, 0)
    skipped = sum(line.get("_skipLearn", False) for line in lines)
    assert skipped >= 3 * DECISIONS // 20
    assert learn(model.policy, out) == (model.data, 3 * DECISIONS - skipped)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_learns_the_same_from_the_file(tmp_path, ledger, clock, name):
    policy = POLICIES[name]
    loop = ledger.create("news", policy=SLOTS if policy.multi_slot else GREEDY, settings=QUIET)
    live(loop, clock, count=40, slots=policy.multi_slot)
    loop.export(tmp_path / "cooked")
    reader = loop.place.store.reader()
    fed = [learning_line(join(one)) for one in reader.traced(policy.decision_kind, 1, 10**6)]
    (tmp_path / "fed").write_bytes(b"".join(filter(None, fed)))
    assert None in fed
    assert learn(policy, tmp_path / "cooked") == learn(policy, tmp_path / "fed")


@pytest.mark.parametrize("slots", [False, True])
def test_a_table_says_what_was_decided_and_what_was_shown(ledger, clock, slots):
    for mode in MODES:
        loop = learned(ledger, clock, slots=slots, mode=mode, name=mode)
        table = table_of(loop)
        reader = loop.place.store.reader()
        examples = [join(one) for one in reader.traced("SlotsRanked" if slots else "Ranked", 1, 10**6)]
        assert len(table) == sum(len(one.labels) for one in examples)
        rows = iter(table)
        for example in examples:
            for number, label in enumerate(example.labels):
                check_row(next(rows), example, number, label, mode)


def check_row(row, example, number, label, mode):
    decision = example.decision
    assert (row["seq"], row["event_id"], row["slot"]) == (
        str(example.seq),
        example.event_id,
        label.slot or "",
    )
    assert (row["model_version"], row["learning_mode"]) == (str(decision.model_version), mode)
    assert (row["deferred"], row["activated"]) == tuple(
        str(one).lower() for one in (decision.deferred, example.activated)
    )
    assert (row["skipped"], row["open"]) == (example.skipped or "", "false")
    actions, probabilities = json.loads(row["actions"]), json.loads(row["probabilities"])
    own = decision.slots[number] if label.slot else decision
    assert actions == list(ACTIONS)
    assert row["action"] == own.chosen == actions[int(row["position"])]
    assert float(row["probability"]) == own.probabilities[0] == probabilities[int(row["position"])]
    assert sorted(filter(None, probabilities)) == sorted(filter(None, own.probabilities))
    assert all(probabilities[actions.index(name)] == 0 for name in own.excluded)
    offered = [name for name in actions if name not in own.excluded]
    baseline = actions[own.baseline] if label.slot else offered[0]
    assert row["baseline_action"] == baseline
    assert row["shown_action"] == (own.chosen if mode == "Online" else baseline)
    assert row["reward"] == (repr(label.original_reward) if example.activated else "")
    assert row["rewards_joined"] == str(len(label.rewards))
    assert json.loads(row["context"]) == json.loads(example.context)


def test_what_was_shown_is_what_the_caller_was_told(ledger):
    for mode in MODES:
        loop = ledger.create(mode, policy=GREEDY, settings=Settings(learning_mode=mode))
        told = {}
        for number in range(30):
            excluded = ["sports"] if number % 2 else []
            told[f"e{number}"] = loop.rank({}, ACTIONS, event_id=f"e{number}", excluded=excluded).action
        assert {row["event_id"]: row["shown_action"] for row in table_of(loop, include_open=True)} == told
        loop.change_policy(SLOTS)
        told = {}
        for number in range(30):
            answer = loop.rank_slots({}, ACTIONS, [Slot("s"), Slot("t")], event_id=f"s{number}")
            told |= {(f"s{number}", slot.slot): slot.action for slot in answer.slots}
        found = {
            (row["event_id"], row["slot"]): row["shown_action"] for row in table_of(loop, include_open=True)
        }
        assert {both: name for both, name in found.items() if both[1]} == told


def test_rewards_of_what_did_not_happen_are_missing_and_defaults_are_told_from_rewards(ledger, clock):
    loop = ledger.create(
        "news", policy=GREEDY, settings=Settings(default_reward=-0.5, reward_aggregation="sum")
    )
    for name in ("none", "some", "deferred"):
        loop.rank({}, ACTIONS, event_id=name, deferred=name == "deferred")
    for name in ("some", "some", "deferred"):
        loop.reward(name, 0.25)
    clock.advance(600)
    found = [(row["reward"], row["rewards_joined"], row["skipped"]) for row in table_of(loop)]
    assert found == [("-0.5", "0", ""), ("0.5", "2", ""), ("", "1", "not activated")]


IDS = [
    'say "no"',
    "a,b;c",
    " both ends ",
    "=1+1",
    "'",
    "\u2028",
    "\x85",
    "ünï ☃ 🦉",
    "true",
    "[1]",
    "\\n",
    "x" * 256,
]


def test_a_table_holds_any_id(ledger):
    loop = ledger.create("news", policy=SLOTS, settings=QUIET)
    slots = [Slot(name) for name in reversed(IDS)]
    for name in IDS:
        loop.rank_slots({"text": name}, {one: {"text": one} for one in IDS}, slots, event_id=name)
    table = table_of(loop, include_open=True)
    assert [(row["event_id"], row["slot"]) for row in table] == [(a, b) for a in IDS for b in reversed(IDS)]
    assert all(json.loads(row["actions"]) == IDS for row in table)
    assert {row["action"] for row in table} == set(IDS)
    assert json.loads(table[0]["context"])["_multi"][0]["_tag"] == IDS[0]


@pytest.mark.parametrize("slots", [False, True])
def test_parquet_is_the_same_table(tmp_path, ledger, clock, slots):
    from pyarrow import parquet

    loop = learned(ledger, clock, slots=slots)
    done = loop.export(tmp_path / "t.parquet", format="parquet")
    found = parquet.read_table(tmp_path / "t.parquet")
    table = table_of(loop)
    assert (done.rows, found.num_rows) == (len(table), len(table))
    assert found.column_names == list(table[0])
    assert str(found.schema.field("time").type) == "timestamp[us, tz=UTC]"
    for row, same in zip(found.to_pylist(), table, strict=True):
        for name in ("actions", "probabilities"):
            assert row.pop(name) == json.loads(same.pop(name))
        assert row.pop("time").isoformat(timespec="microseconds").replace("+00:00", "Z") == same.pop("time")
        shown = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()
        }
        assert {name: "" if value is None else str(value) for name, value in shown.items()} == same


def test_parquet_is_written_in_groups(tmp_path, ledger, clock, monkeypatch):
    from pyarrow import parquet

    from loopledger.adapters.export import parquet as ours

    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock)
    for name, value, groups in (("_ROWS", 25, 3), ("_CHARACTERS", 1, DECISIONS)):
        with monkeypatch.context() as patch:
            patch.setattr(ours, name, value)
            loop.export(tmp_path / name, format="parquet")
        assert parquet.ParquetFile(tmp_path / name).num_row_groups == groups


def test_without_pyarrow_it_says_what_to_install(tmp_path, ledger, monkeypatch):
    from loopledger.adapters.export import parquet as ours

    monkeypatch.setattr(ours, "find_spec", lambda _: None)
    loop = ledger.create("news")
    with pytest.raises(loopledger.LoopledgerError, match=r"pip install 'loopledger\[parquet\]'"):
        loop.export(tmp_path / "t.parquet", format="parquet")
    assert not list(tmp_path.iterdir())


def test_open_decisions_are_left_out_and_counted(ledger, clock):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock, count=10)
    loop.rank({}, ACTIONS, event_id="open")
    clock.advance(599.999)
    for form in ("dsjson", "csv", "parquet"):
        done = loop.export(io.BytesIO(), format=form)
        assert (done.rows, done.left_out) == (10, 1)
        done = loop.export(io.BytesIO(), format=form, include_open=True)
        assert (done.rows, done.left_out) == (11, 0)
    assert [row["open"] for row in table_of(loop, include_open=True)] == ["false"] * 10 + ["true"]
    clock.advance(0.001)
    assert loop.export(io.BytesIO()).rows == 11
    clock.advance(-10_000)  # what is closed by the machine's clock may be open by another's
    assert loop.export(io.BytesIO()).left_out > 0


def test_the_logs_own_time_counts_where_the_clock_is_behind(ledger, clock):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock, count=10)
    loop.activate("somebody")
    clock.advance(-1_000_000)
    assert loop.export(io.BytesIO()).rows == 10


def test_one_that_is_open_holds_back_those_after_it_so_that_going_on_misses_none(ledger, clock):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock, count=3)
    loop.change_settings(reward_wait_time=10_000)
    loop.rank({}, ACTIONS, event_id="long")
    loop.change_settings(reward_wait_time=1)
    loop.rank({}, ACTIONS, event_id="short")
    clock.advance(100)
    first = loop.export(io.BytesIO())
    assert (first.rows, first.left_out) == (3, 2)
    assert [row["open"] for row in table_of(loop, include_open=True)][3:] == ["true", "false"]
    clock.advance(10_000)
    then = lines_of(loop, since=first.last + 1)
    assert [line["EventId"] for line in then] == ["long", "short"]


def test_both_kinds_of_decisions_come_in_log_order(ledger, clock):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    for number, slots in enumerate([False, True, False, True]):
        loop.change_policy(SLOTS if slots else GREEDY)
        live(loop, clock, first=number * 10, count=10, slots=slots)
    wanted = [f"event-{number:03d}" for number in range(40)]
    assert [line["EventId"] for line in lines_of(loop)] == wanted
    table = table_of(loop)
    assert list(dict.fromkeys(row["event_id"] for row in table)) == wanted
    assert len(table) == 60


def test_since_and_until(ledger, clock):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock)
    every = table_of(loop)
    for field, pick in (("seq", int), ("time", str)):
        first, last = pick(every[10][field]), pick(every[20][field])
        assert table_of(loop, since=first, until=last) == every[10:21]
        assert table_of(loop, since=first) == every[10:]
        assert table_of(loop, until=last) == every[:21]
    out = loop.export(io.BytesIO(), since=int(every[10]["seq"]), until=int(every[20]["seq"]))
    assert (out.first, out.last, out.rows) == (int(every[10]["seq"]), int(every[20]["seq"]), 11)
    for nothing in ({"since": 2**80}, {"until": 0}, {"until": -(2**80)}, {"since": "2999-01-01"}):
        assert loop.export(io.BytesIO(), **nothing) == msgspec.structs.replace(
            out, rows=0, first=None, last=None
        )
    assert loop.export(io.BytesIO(), since=-5, until=2**80).rows == DECISIONS


def check_chain(lines, digest=None):
    """Recompute every digest from exported lines, as docs/exporting.md says."""
    checked = 0
    for line in lines:
        event = json.loads(line)
        header = json.dumps(
            [event["seq"], event["at"], event["kind"], event["event_id"]],
            ensure_ascii=False,
            separators=(",", ":"),
        )
        body = line.partition(b',"body":')[2].rpartition(b',"digest":')[0]
        if body.startswith(b'"'):
            body = json.loads(body).encode()
        if digest is not None:
            digest = sha256(digest + header.encode() + sha256(body).digest()).digest()
            assert digest.hex() == event["digest"]
            checked += 1
        digest = bytes.fromhex(event["digest"])
    return checked


def test_the_chain_can_be_checked_from_exported_events_alone(ledger, clock):
    loop = learned(ledger, clock)
    strange = 'e","body":{"kind":"x"},"digest":"\\'
    loop.rank({"text": strange}, {strange: {}, "ünï ☃ 🦉": {}}, event_id=strange)
    spread = json.dumps(
        {"contextFeatures": [{"a": 1}], "actions": [{"id": "b"}], "eventId": "spread"}, indent=1
    )
    loop.rank_json(spread)
    loop.reward(strange, 0.1, key=strange)
    lines = text_of(loop, format="events").splitlines(keepends=True)
    assert check_chain(lines, bytes(32)) == len(lines) == loop.status().events
    assert loop.status().digest == json.loads(lines[-1])["digest"]
    assert all(line.startswith(b'{"seq":') and line.endswith(b'"}\n') for line in lines)
    some = text_of(loop, format="events", since=50, until=100).splitlines(keepends=True)
    assert some == lines[49:100]
    assert check_chain(some) == 50
    changed = [lines[0], lines[1].replace(b"hour", b"hous"), *lines[2:]]
    assert changed != lines
    with pytest.raises(AssertionError):
        check_chain(changed, bytes(32))


def test_callers_own_json_that_is_spread_over_lines_is_one_line(ledger):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    request = {"contextFeatures": [{"a": "b\nc"}], "actions": [{"id": "x", "features": [{"d": 1}]}]}
    loop.rank_json(json.dumps(request, indent=1).replace("\n", "\r\n"))
    (line,) = lines_of(loop, include_open=True)
    assert line["c"]["FromUrl"] == request["contextFeatures"]
    (row,) = table_of(loop, include_open=True)
    assert json.loads(row["context"]) == line["c"]
    assert "\n" not in row["context"]


def test_a_file_is_there_whole_or_not_at_all(tmp_path, ledger, clock, monkeypatch):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock)
    out = tmp_path / "out"

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("loopledger.exchange.export._REPORT_EVERY", 10)
    with pytest.raises(KeyboardInterrupt):
        loop.export(out, progress=fail)
    assert not list(tmp_path.iterdir())
    out.write_text("mine")
    with pytest.raises(loopledger.Conflict, match="there already"):
        loop.export(out)
    with pytest.raises(KeyboardInterrupt):
        loop.export(out, progress=fail, force=True)
    assert out.read_text() == "mine"
    done = loop.export(str(out), force=True)
    assert (done.file, done.rows) == (str(out), DECISIONS)
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_somebody_else_made_meanwhile_is_not_replaced(tmp_path, ledger, clock):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock)
    out = tmp_path / "out"
    with pytest.raises(loopledger.Conflict), target.whole_file(out, force=False):
        out.write_text("theirs")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]


def test_a_link_stays_a_link(tmp_path, ledger):
    loop = ledger.create("news")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    loop.export(tmp_path / "link", format="events")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"format": "xml"}, "format"),
        ({"format": None}, "format"),
        ({"since": "yesterday"}, "time"),
        ({"since": True}, "since"),
        ({"until": 1.5}, "until"),
        ({"out": 7}, "out"),
        ({"out": None}, "out"),
        ({"out": io.StringIO()}, "out"),
        ({"out": "/dev/null"}, "out"),
        ({"out": "/dev/null", "force": True}, "out"),
        ({"out": os.curdir, "force": True}, "out"),
        ({"out": "no/such/folder/file"}, "out"),
        ({"out": "a\0b"}, "out"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, monkeypatch, ledger, given, field):
    monkeypatch.chdir(tmp_path)
    loop = ledger.create("news")
    with pytest.raises(loopledger.InvalidRequest) as caught:
        loop.export(**{"out": tmp_path / "out", **given})
    assert caught.value.field == field
    assert not list(tmp_path.iterdir())


def test_progress_is_told(ledger, clock, monkeypatch):
    loop = ledger.create("news", policy=GREEDY, settings=QUIET)
    live(loop, clock)
    monkeypatch.setattr("loopledger.exchange.export._REPORT_EVERY", 25)
    told = []
    loop.export(io.BytesIO(), progress=lambda done, total: told.append((done, total)))
    assert told == [(25, DECISIONS), (50, DECISIONS)]
    told.clear()
    loop.export(io.BytesIO(), format="events", since=11, until=70, progress=lambda *both: told.append(both))
    assert told == [(25, 60), (50, 60)]


async def test_both_faces_write_the_same(tmp_path, clock):
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=QUIET)
        live(loop, clock)
        expected = {form: text_of(loop, format=form) for form in ("dsjson", "csv", "events")}
    async with loopledger.open_async(tmp_path / "data", clock=clock) as ledger:
        loop = await ledger.loop("news")
        for form, written in expected.items():
            done = await loop.export(tmp_path / form, format=form)
            assert (tmp_path / form).read_bytes() == written
            assert done.rows == len(written.splitlines()) - (form == "csv")


def test_it_teaches_what_training_is_fed(ledger, clock):
    loop = learned(ledger, clock)
    reader = loop.place.store.reader()
    fed = [learning_line(join(one)) for one in reader.traced("Ranked", 1, 10**6)]
    for line, cooked in zip(fed, lines_of(loop), strict=True):
        assert (line is None) == cooked.get("_skipLearn", False)
        if line is not None:
            learned_from = json.loads(line)
            assert learned_from.pop("a") == cooked["a"][:1]
            assert learned_from.pop("p") == cooked["p"][:1]
            assert learned_from.items() <= cooked.items()
