"""Records of accepted specs: one ControllerRevision for each revision."""

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Caches, Held, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import (
    AlreadyExistsError,
    ApiError,
    NotFoundError,
    RejectedError,
)
from canary_operator.adapters.cluster.owned import check_ours, find, owner_of
from canary_operator.adapters.cluster.resources import RECORDS
from canary_operator.adapters.cluster.seen import SeenRecord
from canary_operator.domain.errors import ConflictError, InvalidSpecError, UnavailableError
from canary_operator.domain.objects import (
    SETTINGS_ANNOTATION,
    controller_revision,
    record_name,
    settings_text,
)
from canary_operator.ports import Accepted, Key, Rollout


class Records:
    """The ControllerRevisions of all rollouts."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._cache = caches.records
        self._seen: dict[Place, Held[SeenRecord]] = {}
        self._lost: dict[Place, Held[SeenRecord]] = {}
        """Deleted by somebody else."""
        self._cache.on_removal(self._removed)
        self._rollouts = caches.rollouts
        self._rollouts.on_removal(self._rollout_removed)

    def all(self, rollout: Rollout) -> Sequence[Accepted]:
        """Return what was accepted, newest first."""
        ours = [held for held in self._cache.of(rollout.key) if held.owner_uid == rollout.uid]
        self._seen.update({(held.namespace, held.name): held for held in ours})
        records = [_accepted(held.content) for held in ours]
        return sorted(records, key=lambda record: record.number, reverse=True)

    def _removed(self, place: Place) -> None:
        held = self._seen.pop(place, None)
        if held is not None and held.rollout is not None:
            owner = self._rollouts.get(held.rollout.namespace, held.rollout.name)
            if owner is not None and owner.uid == held.owner_uid:
                self._lost[place] = held

    def _rollout_removed(self, place: Place) -> None:
        """Its records go with it."""
        gone = [lost for lost, held in self._lost.items() if held.rollout == Key(*place)]
        for lost in gone:
            del self._lost[lost]

    async def restore(self, rollout: Rollout, revisions: Collection[str]) -> bool:
        """Bring back records that somebody deleted; return whether there were any.

        They are known from memory only: of what was deleted while no operator ran, nothing is left.
        """
        restored = False
        for revision in revisions:
            place = rollout.key.namespace, record_name(rollout.key.name, revision)
            held = self._lost.pop(place, None)
            if held is not None and held.owner_uid == rollout.uid and not self._cache.get(*place):
                await self.remember(rollout, _accepted(held.content))
                restored = True
        return restored

    async def remember(self, rollout: Rollout, accepted: Accepted) -> None:
        """Record what was accepted: new, or other settings or a higher number of a known one."""
        if rollout.deleting:
            return
        wanted = controller_revision(
            owner_of(rollout),
            revision=accepted.revision,
            template=accepted.template,
            settings=accepted.settings,
            number=accepted.number,
        )
        try:
            await self._write(rollout, accepted, wanted)
        except NotFoundError as error:  # the namespace, or a record that somebody just deleted
            raise UnavailableError(f"The spec could not be recorded: {error.message}") from error
        except RejectedError as error:
            raise InvalidSpecError(
                f"The API server does not take the record of the spec: {error.message}"
            ) from error

    async def _write(self, rollout: Rollout, accepted: Accepted, wanted: Manifest) -> None:
        name = wanted["metadata"]["name"]
        held = self._cache.get(rollout.key.namespace, name)
        if held is None:
            try:
                self._cache.learned(await self._client.create(RECORDS, wanted))
            except AlreadyExistsError:
                held = await find(self._client, RECORDS, self._cache, rollout, name)
        if held is not None:
            check_ours(rollout, RECORDS, held)
            await self._update(held, accepted, wanted)

    async def _update(self, held: Held[SeenRecord], accepted: Accepted, wanted: Manifest) -> None:
        settings = settings_text(accepted.settings)
        if (held.content.number, held.content.settings) == (accepted.number, settings):
            return
        metadata = {"uid": held.uid, "annotations": {SETTINGS_ANNOTATION: settings}}
        patch = {"metadata": metadata, "revision": accepted.number}
        try:
            answer = await self._client.merge(RECORDS, held.namespace, held.name, patch)
        except RejectedError as error:
            if "data" not in error.fields:
                raise
            answer = await self._replace(held, wanted)
        except (NotFoundError, ConflictError):
            self._cache.drop(held)
            answer = await self._client.create(RECORDS, wanted)
        self._cache.learned(answer)

    async def _replace(self, held: Held[SeenRecord], wanted: Manifest) -> Manifest:
        """Write a record anew that a person restored with another encoding of the same template.

        `data` is immutable byte by byte, so not even the annotation of such a record can change.
        """
        await self._client.delete(RECORDS, held.namespace, held.name, held.uid)
        self._cache.drop(held)
        return await self._client.create(RECORDS, wanted)

    async def forget(self, rollout: Rollout, revisions: Sequence[str]) -> None:
        """Remove records that nothing needs any more."""
        if rollout.deleting:
            return
        for revision in revisions:
            name = record_name(rollout.key.name, revision)
            held = self._cache.get(rollout.key.namespace, name)
            if held is None or held.owner_uid != rollout.uid:
                continue
            self._seen.pop((held.namespace, held.name), None)
            with suppress(ApiError, ConflictError):  # gone, or another object by now
                await self._client.delete(RECORDS, held.namespace, held.name, held.uid)
            self._cache.drop(held)


def _accepted(seen: SeenRecord) -> Accepted:
    template: Any = unpack(seen.template)
    return Accepted(seen.revision, template, json.loads(seen.settings), seen.number)
