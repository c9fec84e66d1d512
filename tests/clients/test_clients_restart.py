"""What was answered is in the log, however the server ends, and its clients go on with the next one."""

import signal
import threading

import pytest
from faces import DECIDING, no_node
from quick import slow_but
from served import Server
from wishes import rank

pytestmark = pytest.mark.slow


class Traffic:
    """Clients that rank and reward in threads of their own until they are told to stop."""

    def __init__(self, faces):
        self.decided, self.rewarded, self.answers, self.lost = set(), set(), 0, 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._live, args=(name, face)) for name, face in faces.items()
        ]
        for thread in self._threads:
            thread.start()

    def _live(self, name, face):
        number = 0
        while not self._stop.is_set():
            event_id = f"{name} {number}"
            try:
                answer = face.rank(rank(hour=number % 4, eventId=event_id))
                self.decided.add((event_id, answer["rewardActionId"]))
                face.reward(event_id, float(answer["rewardActionId"] == "music"))
                self.rewarded.add(event_id)
            except Exception:  # noqa: BLE001 - each client has its own for a server that is gone
                self.lost += 1
                self._stop.wait(0.05)
            number += 1

    def wait_for(self, rewards):
        until = threading.Event()
        for _ in range(1200):
            if len(self.rewarded) >= rewards:
                return
            until.wait(0.05)
        raise AssertionError(f"only {len(self.rewarded)} rewards were answered")

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("starlette")
    with Server(tmp_path) as server:
        yield server


@pytest.mark.parametrize("with_signal", slow_but({signal.SIGKILL}, [signal.SIGTERM, signal.SIGKILL]))
def test_in_the_middle_of_traffic(with_signal, server, connect, made):
    key = server.loop("news", made / "learned")
    # Two of each Python client, and one of node's, which answer one call at a time.
    clients = [client for client in DECIDING if "PyPI" in client or not no_node()]
    faces = {client: connect(client, server, key) for client in clients}
    faces |= {f"{client} again": connect(client, server, key) for client in clients if "PyPI" in client}
    traffic = Traffic(faces)
    try:
        traffic.wait_for(40)
        code = server.end(with_signal)
        decided, rewarded = len(traffic.decided), len(traffic.rewarded)
        server.start()
        # The same clients, which were told nothing, go on.
        traffic.wait_for(rewarded + 40)
    finally:
        traffic.stop()
    # A server that ends itself says 0, or by which signal it was ended.
    assert code in ({0, -signal.SIGTERM} if with_signal == signal.SIGTERM else {-signal.SIGKILL})
    assert len(traffic.decided) > decided
    assert traffic.lost
    found = {(event["event_id"], event["body"]["chosen"]) for event in server.log("news", "Ranked")}
    assert traffic.decided <= found
    assert traffic.rewarded <= {event["event_id"] for event in server.log("news", "Rewarded")}
    before = sorted(traffic.decided)[:: max(1, len(traffic.decided) // 20)]
    face = faces["ai (PyPI)"]
    for event_id, action in before:
        number = int(event_id.rpartition(" ")[2])
        assert face.rank(rank(hour=number % 4, eventId=event_id))["rewardActionId"] == action
    assert server.end() in {0, -signal.SIGTERM}
    assert server.problems("news") == []
