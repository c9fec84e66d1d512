"""The actor without its thread: what waits in the inbox is carried out when the scheduler says so."""

import os
from queue import Empty
from threading import Lock

from loopledger.actor import Inbox, LoopActor
from loopledger.desk import Desk


class Post(Inbox):
    """An inbox, and the hand that empties it."""

    def __init__(self, opened, most):
        self._most = most
        self._process = os.getpid()
        self._desk = Desk()
        self._closing = Lock()
        self._acting = LoopActor(opened, self._desk)
        self._actor = self._acting.actor_ref
        self._acting.on_receive(None)

    @property
    def loop(self):
        return self._desk.loop

    def step(self):
        """Take one letter out of the inbox; tell whether there was one."""
        try:
            envelope = self._acting.actor_inbox.get_nowait()
        except Empty:
            return False
        self._acting.on_receive(envelope.message)
        return True

    def close(self):
        if not self._acting.actor_stopped.is_set():
            self._acting.on_stop()
            self._acting.actor_stopped.set()


class Mail:
    """Somebody who waits for the answers to a letter.

    Attributes:
        answers: Once they have come.
        lost: Whether they never will.

    """

    def __init__(self, store, commands, heard):
        self._store = store
        self._commands = commands
        self._heard = heard
        self.answers: list | None = None

    @property
    def lost(self):
        return self.answers is None and self._store.crashed

    def deliver(self, answers):
        if self._store.crashed:
            return  # there is no process any more that could answer
        answers = list(answers)
        assert len(answers) == len(self._commands)
        self._heard(self._commands, answers)
        self.answers = answers
