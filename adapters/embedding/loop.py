"""A loop in the blocking face of the Python API."""

from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from typing import cast

from loopledger.adapters.embedding.building import (
    Policy,
    json_command,
    json_slots_command,
    rank_command,
    rank_slots_command,
)
from loopledger.adapters.embedding.erasable import erasable
from loopledger.adapters.embedding.moments import Moment
from loopledger.adapters.embedding.optimizing_loop import OptimizingLoop
from loopledger.adapters.embedding.view import first_since
from loopledger.adapters.query import query
from loopledger.adapters.signed_model import opened_model
from loopledger.answers import Decision, Receipt, SlotsDecision
from loopledger.commands import Activate, ChangePolicy, ChangeSettings, Relearn, ResetModel, Reward
from loopledger.deciding.request import Actions, Features, Slots, listed_ids, whole_number
from loopledger.learning.selection import matching, named
from loopledger.learning.training import Progress
from loopledger.log.eraser import Erasure
from loopledger.settings import Settings


class Loop(OptimizingLoop):
    """A learning loop. Every answer is durable when it comes."""

    def rank(
        self,
        context: Features,
        actions: Actions,
        *,
        event_id: str | None = None,
        excluded: Iterable[str] = (),
        deferred: bool = False,
    ) -> Decision:
        """Choose an action.

        Args:
            context: What is known of the moment: an object of features, or several.
            actions: What can be chosen: ids with their features, or `Action` objects.
            event_id: The decision's id; by default a new one. A repetition of a Rank that is in
                the log gets the recorded answer.
            excluded: Ids of actions that may not be chosen now.
            deferred: Whether the decision counts only once it is activated.

        Raises:
            InvalidRequest: Names the field that cannot be used.
            Conflict: The event id is in the log with another request.
            Overloaded: Too many commands wait.

        """
        session = self._session()
        named = session.ids.named(event_id, session.limits)
        command = rank_command(session.limits, named, context, actions, excluded, deferred)
        return cast("Decision", self._ask(command))

    def rank_json(self, request: bytes | str) -> Decision:
        """Choose an action for a request that comes as JSON, in the form of Personalizer's Rank.

        It does what `rank` does and takes less time: the features are checked, not taken apart.

        Args:
            request: ``contextFeatures``, ``actions`` (each with ``id`` and ``features``) and, if
                wanted, ``excludedActions``, ``eventId`` and ``deferActivation``.

        Raises:
            InvalidRequest: It is not JSON, or names the field that cannot be used.

        """
        session = self._session()
        return cast("Decision", self._ask(json_command(session.limits, session.ids, request)))

    def rank_slots(
        self,
        context: Features,
        actions: Actions,
        slots: Slots,
        *,
        event_id: str | None = None,
        deferred: bool = False,
    ) -> SlotsDecision:
        """Choose an action for each slot, none of them twice.

        The loop's policy must have ``--ccb_explore_adf``. Arguments and errors are those of `rank`.
        """
        session = self._session()
        named = session.ids.named(event_id, session.limits)
        command = rank_slots_command(session.limits, named, context, actions, slots, deferred)
        return cast("SlotsDecision", self._ask(command))

    def rank_slots_json(self, request: bytes | str) -> SlotsDecision:
        """Choose an action for each slot of a request as JSON, in the form of Personalizer's multi-slot Rank.

        It does what `rank_slots` does and takes less time: the features are checked, not taken apart.

        Args:
            request: As `rank_json` takes it, without ``excludedActions`` and with ``slots``: each has
                ``id`` and, if wanted, ``features``, ``excludedActions`` and ``baselineAction``.

        Raises:
            InvalidRequest: It is not JSON, or names the field that cannot be used.

        """
        session = self._session()
        return cast("SlotsDecision", self._ask(json_slots_command(session.limits, session.ids, request)))

    def reward(
        self, event_id: str, value: float, *, slot: str | None = None, key: str | None = None
    ) -> Receipt:
        """Say what a decision was worth.

        Args:
            event_id: The decision's id. An unknown one is logged too: its decision may be on the way.
            value: Within the settings' reward range.
            slot: The slot that it is for, after `rank_slots`.
            key: Marks retries: of several rewards with one key, one counts.

        Raises:
            InvalidRequest: The value or an id cannot be used.
            Conflict: The key came with another value before.

        """
        return cast("Receipt", self._ask(Reward(event_id, value, slot, key)))

    def activate(self, event_id: str) -> Receipt:
        """Say that a deferred decision took effect."""
        return cast("Receipt", self._ask(Activate(event_id)))

    def change_policy(self, policy: Policy, *, relearn: bool = True) -> Receipt:
        """Put another learning policy in force.

        Args:
            policy: The new one.
            relearn: Whether the past is learned again under it, beside the model that answers, and
                published when it knows as much. `train` does it now, automatic training in time.

        Raises:
            InvalidRequest: The policy is not allowed, or the engine refuses it.

        """
        return cast("Receipt", self._ask(ChangePolicy(self._tried(policy), relearn)))

    def relearn(
        self,
        policy: Policy | None = None,
        *,
        since: int | Moment = 1,
        without: Iterable[str] = (),
        where: str | None = None,
        with_everything: bool = False,
        passes: int = 1,
        progress: Progress | None = None,
    ) -> Receipt:
        """Begin to learn the past again, beside the model that answers until it knows as much.

        `train` does it now, automatic training in time. It is published then, also after somebody
        went back to an older version.

        Args:
            policy: Under this policy; by default under the one in force.
            since: From this event on, or from this time on (a text or a datetime).
            without: Event ids of decisions to leave out, now and in every later relearning.
            where: Leave out the decisions too of which this JMESPath expression is true, such as
                ``starts_with(event_id, 'bot-') && at > time('2026-11-01')``.
            with_everything: Learn again what earlier relearnings left out.
            passes: Learn every decision so often, 1 to 20, a training step over and over again: a
                few passes get much more out of little. docs/policies.md says for which policies.
            progress: Is told up to which event decisions were looked at, and of how many.

        Raises:
            NotFound: A decision or a moment does not exist.
            InvalidRequest: The policy or the expression cannot be used.

        """
        times = whole_number("passes", passes)
        new = None if policy is None else self._tried(policy)
        asked = None if where is None else query(where)
        with closing(self.place.store.reader()) as reader:
            first = first_since(reader, since)
            left_out = named(reader, listed_ids("without", without))
            if asked is not None:
                left_out = sorted({*left_out, *matching(reader, asked, progress)})
        command = Relearn(new, first, tuple(left_out), where, bool(with_everything), times)
        return cast("Receipt", self._ask(command))

    def change_settings(self, **changes: object) -> Settings:
        """Change settings by name, and return them all.

        Raises:
            InvalidRequest: A name is unknown or a value out of its limits.

        """
        before = self.settings.model_update_frequency
        settings = cast("Settings", self._ask(ChangeSettings(changes)))
        session = self._session()
        if settings.model_update_frequency != before:
            session.schedule()
        session.automatic.schedule()
        return settings

    def erasable(
        self,
        event_ids: Iterable[str] = (),
        *,
        older_than: Moment | timedelta | None = None,
        where: str | None = None,
    ) -> int:
        """Return how many bodies `erase` would erase; the arguments are the same."""
        marks = erasable(self.directory.clock, event_ids, older_than, where)
        with closing(self.place.store.reader()) as reader:
            return sum(mark.chosen for mark in marks(reader))

    def erase(
        self,
        event_ids: Iterable[str] = (),
        *,
        older_than: Moment | timedelta | None = None,
        where: str | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Erasure:
        """Erase contexts, choices and rewards for good. The chain still holds, and models stay.

        What stays are time, kind and event id of each event and the hash of its body, and the
        models that learned from it. The erasure is an event.

        Args:
            event_ids: Everything that was logged under these ids; or
            older_than: decisions before a time, or of at least an age (a timedelta, or a text such
                as ``90d``), with what had come for them by then; or
            where: decisions of which this JMESPath expression is true, with what came for them.
            force: Whether to erase what a model version learned from that cannot be made here, so
                that the version is lost.
            progress: Is told up to which event it has come, and of how many.

        Raises:
            NotFound: Nothing was logged under an id.
            ReplayMismatch: A version would be lost.

        """
        marks = erasable(self.directory.clock, event_ids, older_than, where)
        return self._using(lambda session: session.erase(marks, progress, force=bool(force)))

    def train(self, progress: Progress | None = None) -> list[int]:
        """Learn every decision whose window has closed, and return the versions that were made.

        Args:
            progress: Is told of decisions learned in this step, and of how many it has.

        Raises:
            LearnerFailed: The engine refused, died or hung; the loop goes on with what it has.

        """
        return self._using(lambda session: session.train(progress))

    def publish(self, version: int) -> Receipt:
        """Let decisions use a version. After going back to an older one, training goes on unpublished.

        Raises:
            NotFound: There is no such version.
            Conflict: It was made for another kind of decision.

        """
        return cast("Receipt", self._using(lambda session: session.trainer.publish(version)))

    def restore_policy(self) -> Receipt:
        """Go back to the learning policy and the models from before the policy was changed last.

        Learning goes on where it had stopped under that policy. Whoever does it twice is where he was.

        Raises:
            NotFound: The policy was never changed.

        """
        return cast("Receipt", self._using(lambda session: session.trainer.restore_policy(session.state)))

    def reset_model(self) -> Receipt:
        """Go back to no model. What was logged stays."""
        return cast("Receipt", self._ask(ResetModel()))

    def import_model(self, model: bytes, *, trust: str | None = None) -> Receipt:
        """Publish a VowpalWabbit model from outside as a new version, and learn on from it.

        Imported history, and what was learned before, is taken to be known to it.

        Args:
            model: Its bytes, or a model that Personalizer exported with its signature: a zip.
            trust: The SHA-256 fingerprint of the certificate that signed it.

        Raises:
            InvalidRequest: It is not bytes, or its signature does not hold or is not trusted.
            LearnerFailed: It is no model, or none for the policy in force.

        """
        opened = opened_model(model, trust)
        return cast(
            "Receipt", self._using(lambda session: session.trainer.import_model(session.state, opened))
        )

    def __repr__(self) -> str:
        return f"Loop({self.name!r})"
