import itertools
import re

import faces
import learned
import pytest
from served import Server, self_signed

import loopledger


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Loops to be copied: without and with a model, for one action and for slots."""
    folder = tmp_path_factory.mktemp("made")
    learned.make(folder, "learned")
    clock = loopledger.SimulatedClock(learned.START)
    with loopledger.open(folder, clock=clock, workers=1) as ledger:
        ledger.create("blank")
        ledger.create("slots", policy=learned.SLOTS_POLICY)
        settings = loopledger.Settings(model_update_frequency=0)
        loop = ledger.create("learned-slots", policy=learned.SLOTS_POLICY, settings=settings)
        learned.live_slots(loop, clock, {"top": "music", "side": "sports", "foot": "weather"})
        loop.train()
    return folder


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    pytest.importorskip("cryptography")
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def http(tmp_path_factory):
    pytest.importorskip("starlette")
    with Server(tmp_path_factory.mktemp("http")) as server:
        yield server


@pytest.fixture(scope="session")
def https(tmp_path_factory, certificate):
    pytest.importorskip("starlette")
    with Server(tmp_path_factory.mktemp("https"), certificate) as server:
        yield server


@pytest.fixture(scope="session", params=["http", pytest.param("https", marks=pytest.mark.slow)])
def server(request):
    """A server, over http and over https; all of it twice takes its time."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def nodes():
    """Processes of node by package and certificate; each serves every test that needs it."""
    running = {}

    def node(client, certificate):
        if (client, certificate) not in running:
            running[client, certificate] = faces.Node(faces.SCRIPTS[client], certificate)
        return running[client, certificate]

    yield node
    for process in running.values():
        process.close()


@pytest.fixture
def connect(nodes):
    """Return a face of a client, for a server, with a key."""
    open_faces = []

    def connect(client, server, key, path="", **more):
        where = faces.Server(server.endpoint + path, key, server.certificate)
        if client in faces.SCRIPTS:
            kind = faces.JavaScript if client == "cognitiveservices (npm)" else faces.JavaScriptRest
            face = kind(where, nodes(client, server.certificate), **more)
        else:
            face = (faces.Ai if client == "ai (PyPI)" else faces.Cognitive)(where, **more)
        open_faces.append(face)
        return face

    yield connect
    for face in open_faces:
        face.close()


_numbers = itertools.count()


@pytest.fixture
def new_loop(made, request):
    """Give a server another loop: a copy of one that is made; return its name and a key."""

    def new_loop(server, kind="blank"):
        name = re.sub(r"[^a-z0-9-]+", "-", request.node.originalname.lower())[:40].strip("-")
        name = f"{name}-{next(_numbers)}"
        return name, server.loop(name, made / kind)

    return new_loop


@pytest.fixture(params=faces.DECIDING)
def client(request):
    """Each client in turn."""
    return request.param


@pytest.fixture(params=faces.ADMINISTERING)
def administrator(request):
    """Each client with all operations, in turn."""
    return request.param
