import logging
import threading
import time
from queue import SimpleQueue

from loopledger.adapters.embedding.chores import Chores

PATIENCE = 30


def test_tasks_are_done_in_order():
    chores, done = Chores(1), SimpleQueue()
    for number in range(5):
        chores.submit(lambda number=number: done.put(number))
    assert [done.get(timeout=PATIENCE) for _ in range(5)] == [0, 1, 2, 3, 4]
    chores.close()


def test_as_many_at_a_time_as_there_may_be():
    chores, going = Chores(2), SimpleQueue()
    go_on = threading.Event()

    def task():
        going.put(threading.current_thread())
        go_on.wait(PATIENCE)

    for _ in range(4):
        chores.submit(task)
    first = {going.get(timeout=PATIENCE) for _ in range(2)}
    assert len(first) == 2
    assert all(thread.daemon for thread in first)
    assert going.empty()
    go_on.set()
    assert {going.get(timeout=PATIENCE) for _ in range(2)} <= first
    chores.close()


def test_a_task_that_fails_is_reported_and_spoils_nothing(caplog):
    chores, done = Chores(1), SimpleQueue()
    with caplog.at_level(logging.ERROR, "loopledger"):
        chores.submit(lambda: 1 / 0)
        chores.submit(lambda: done.put("next"))
        assert done.get(timeout=PATIENCE) == "next"
    (record,) = caplog.records
    assert "ZeroDivisionError" in record.error
    chores.close()


def test_closing_waits_for_what_runs_and_drops_the_rest():
    chores, done = Chores(1), []
    begun, go_on = threading.Event(), threading.Event()

    def task():
        begun.set()
        go_on.wait(PATIENCE)
        done.append("begun before")

    chores.submit(task)
    chores.submit(lambda: done.append("waited"))
    begun.wait(PATIENCE)
    closing = threading.Thread(target=chores.close)
    closing.start()
    while not chores._closed:
        time.sleep(0.001)
    chores.submit(lambda: done.append("came too late"))
    go_on.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert done == ["begun before"]
    chores.close()


def test_a_task_may_close():
    chores, done = Chores(1), threading.Event()
    chores.submit(lambda: (chores.close(), done.set()))
    assert done.wait(PATIENCE)
