"""Create, update, patch and delete: the only functions that change the store.

Each one is synchronous: nothing can happen between what it read and what it writes.
"""

from collections.abc import Callable
from typing import Any

from canary_operator.playground.api import intake, managed, meta, patches, strategies
from canary_operator.playground.api.errors import (
    STALE,
    APIError,
    already_exists,
    conflict,
    forbidden,
    invalid,
    not_found,
    unprocessable,
)
from canary_operator.playground.api.generation import next_generation
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, same, without
from canary_operator.playground.api.options import WriteOptions
from canary_operator.playground.api.proposals import Proposals
from canary_operator.playground.api.registry import Registry
from canary_operator.playground.api.store import Store
from canary_operator.playground.api.structural import with_defaults
from canary_operator.playground.api.targets import Target
from canary_operator.playground.api.views import served


class Operations:
    """Writes with the semantics of the real server, on one store."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry
        self.admission: list[Callable[[Object, Resource, Object | None], Object]] = []
        self.proposals = Proposals()

    # ------------------------------------------------------------------ reading

    def read(self, target: Target) -> Object:
        """Return the stored object.

        Raises:
            APIError: there is none (404).
        """
        resource = target.resource
        stored = self.store.get(resource.storage, target.key)
        if stored is None:
            raise not_found(resource.group, resource.plural, target.name)
        return stored.obj

    def has(self, target: Target) -> bool:
        """Tell whether there is such an object."""
        return self.store.get(target.resource.storage, target.key) is not None

    # ------------------------------------------------------------------ creating

    def create(self, target: Target, body: Any, options: WriteOptions) -> Object:
        """Store a new object.

        Raises:
            APIError: it may not be stored (400, 403, 404, 409, 422).
        """
        resource = target.resource
        body = intake.addressed(intake.expect_kind(body, resource), target)
        if (body.get("metadata") or {}).get("resourceVersion"):
            raise APIError(500, "", "resourceVersion should not be set on objects to be created")
        obj = intake.Decoder(resource, options).read(body)
        writer = managed.Writer(options.manager, managed.UPDATE, resource.api_version)
        return self._create(target, obj, options, writer)

    def _create(
        self, target: Target, obj: Object, options: WriteOptions, writer: managed.Writer
    ) -> Object:
        resource = target.resource
        obj = meta.for_create(obj, resource, target.namespace)
        self._require_namespace(target, obj)
        if writer.operation == managed.UPDATE:
            obj = self._with_first_manager(obj, resource, writer)
        obj = self._admitted(self._first(obj, resource), resource, None)
        intake.check_new(obj, resource)
        self.proposals.judge("CREATE", target, options, new=obj)
        key = (target.key[0], obj["metadata"]["name"])
        found = self.store.get(resource.storage, key)
        if found is not None:
            raise already_exists(resource.group, resource.plural, key[1], _is_going(found.obj))
        if options.dry_run:
            return obj
        return self.store.put(resource.storage, key, obj).obj

    def _require_namespace(self, target: Target, obj: Object) -> None:
        resource = target.resource
        if not resource.namespaced:
            return
        found = self.store.get(("", "namespaces"), ("", target.namespace))
        if found is None:
            raise not_found("", "namespaces", target.namespace)
        if found.obj["metadata"].get("deletionTimestamp"):
            detail = (
                f"unable to create new content in namespace {target.namespace} because it is "
                "being terminated"
            )
            raise forbidden(
                resource.group, resource.plural, obj["metadata"].get("name", ""), detail
            )

    @staticmethod
    def _first(obj: Object, resource: Resource) -> Object:
        """Return a new object as it starts: status belongs to controllers."""
        if resource.custom:
            obj = without(obj, "status") if resource.has_status else obj
            obj = {**obj, "metadata": {**obj["metadata"], "generation": 1}}
            return dict(with_defaults(obj, resource.schema, keep_nulls=True))
        return next_generation(strategies.of(resource).first(obj), None, resource)

    def _admitted(self, obj: Object, resource: Resource, old: Object | None) -> Object:
        for step in self.admission:
            obj = step(obj, resource, old)
        return obj

    @staticmethod
    def _with_first_manager(obj: Object, resource: Resource, writer: managed.Writer) -> Object:
        """Note who wrote the object; what the server adds to it below has no manager."""
        zero = strategies.of(resource).zero or {}
        shaped = served(resource, without(obj, "status") if resource.has_status else obj)
        zero = without(zero, "status")
        fields = managed.after_update(zero, shaped, writer, resource.schema, ())
        return _with_managers(obj, fields)

    # ------------------------------------------------------------------ changing

    def update(self, target: Target, body: Any, options: WriteOptions) -> Object:
        """Replace an object (PUT); some kinds are created where there is none.

        Raises:
            APIError: it may not be replaced (400, 404, 409, 422).
        """
        resource = target.resource
        if resource.kind in strategies.MADE_BY_REPLACING and not self.has(target):
            return self.create(target, body, options)
        body = intake.addressed(intake.expect_kind(body, resource), target)
        old = self.read(target)
        obj = intake.Decoder(resource, options).read(body)
        given = obj["metadata"]
        if not given.get("uid"):
            obj = {**obj, "metadata": {**given, "uid": old["metadata"]["uid"]}}
        if not given.get("resourceVersion") and strategies.replaces_known_versions(resource):
            cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise unprocessable(resource.group, resource.plural, target.name, [cause])
        return self.commit(target, old, obj, options)

    def patch(self, target: Target, kind: str, patch: Any, options: WriteOptions) -> Object:
        """Change an object by a JSON, merge or strategic merge patch.

        Raises:
            APIError: the patch may not be applied (400, 404, 409, 415, 422).
        """
        resource = target.resource
        old = self.read(target)
        shaped = served(resource, old)
        changed = patches.apply(kind, shaped, patch, resource)
        if not isinstance(changed, dict):
            raise patches.rejected()
        body = intake.addressed(intake.expect_kind(changed, resource), target)
        obj = intake.Decoder(resource, options).read(body, patches.quoted(kind, body, patch))
        return self.commit(target, old, obj, options)

    def commit(self, target: Target, old: Object, new: Object, options: WriteOptions) -> Object:
        """Store `new` in place of `old` on behalf of an ordinary writer.

        Raises:
            APIError: `new` was made from another version (409) or breaks a rule (422).
        """
        self._refuse_stale(target, old, new)
        resource = target.resource
        new = self._prepared(target, old, new)
        self.proposals.judge("UPDATE", target, options, new=new, old=old)
        writer = managed.Writer(
            options.manager, managed.UPDATE, resource.api_version, target.subresource
        )
        base = managed.entries(new) or managed.entries(old)
        if new["metadata"].get("managedFields") == [{}]:
            base = ()
        fields = managed.after_update(
            served(resource, old), served(resource, new), writer, resource.schema, base
        )
        return self._store(target, old, _with_managers(new, fields), options)

    def apply(self, target: Target, config: Any, options: WriteOptions) -> Object:
        """Apply a configuration (server-side apply); creates the object when there is none.

        Raises:
            APIError: other managers own what would change (409), or a rule is broken.
        """
        resource = target.resource
        config = intake.addressed(intake.readable_config(config, resource), target)
        stored = self.store.get(resource.storage, target.key)
        if stored is None and target.subresource:
            raise not_found(resource.group, resource.plural, target.name)
        live = stored.obj if stored else {}
        self._refuse_stale(target, live, config)
        writer = managed.Writer(
            options.manager, managed.APPLY, resource.api_version, target.subresource
        )
        owned = intake.applicable(config, resource, target.subresource)
        merged, fields = managed.after_apply(
            served(resource, live) if live else {}, owned, writer, resource.schema, options.force
        )
        decoder = intake.Decoder(resource, options, applied=True)
        if stored is None:
            obj = decoder.read(
                {
                    **merged,
                    "apiVersion": resource.api_version,
                    "kind": resource.kind,
                    "metadata": {**merged["metadata"], "name": target.name},
                }
            )
            return self._create(target, _with_managers(obj, fields), options, writer)
        new = decoder.read(merged)
        new = self._prepared(target, live, new)
        self.proposals.judge("UPDATE", target, options, new=new, old=live)
        return self._store(target, live, _with_managers(new, fields), options)

    @staticmethod
    def _refuse_stale(target: Target, old: Object, new: Object) -> None:
        given = new["metadata"].get("resourceVersion")
        if given and given != old.get("metadata", {}).get("resourceVersion"):
            resource = target.resource
            raise conflict(resource.group, resource.plural, target.name, STALE)

    def _prepared(self, target: Target, old: Object, new: Object) -> Object:
        """Return `new` with everything that this door may not change taken from `old`."""
        resource = target.resource
        kept = {
            name: old["metadata"][name]
            for name in (*meta.SERVER_FIELDS, "name", "namespace", "resourceVersion")
            if name in old["metadata"] and not (name == "uid" and new["metadata"].get("uid"))
        }
        dropped = (*meta.SERVER_FIELDS, "namespace", "resourceVersion")
        fresh = {k: v for k, v in new["metadata"].items() if k == "uid" or k not in dropped}
        new = {**new, "metadata": {**fresh, **kept}}
        new = strategies.through_door(new, old, resource, target.subresource)
        new = next_generation(new, old, resource)
        if not target.subresource:
            new = self._admitted(new, resource, old)
        intake.check_changed(new, old, resource, target.subresource)
        return new

    def _store(self, target: Target, old: Object, new: Object, options: WriteOptions) -> Object:
        if same(new, old):
            return old
        if options.dry_run:
            return new
        storage, given = target.resource.storage, new["metadata"]
        if (
            given.get("deletionTimestamp")
            and not given.get("finalizers")
            and not given.get("deletionGracePeriodSeconds")
            and old["metadata"].get("finalizers")
        ):
            return self.store.remove(storage, target.key, new).obj
        return self.store.put(storage, target.key, new).obj


def _is_going(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _with_managers(obj: Object, fields: list[Object]) -> Object:
    given = without(obj["metadata"], "managedFields")
    return {**obj, "metadata": {**given, "managedFields": fields} if fields else given}
