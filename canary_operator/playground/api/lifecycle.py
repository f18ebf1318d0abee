"""What the server does by itself: namespaces end with their contents, definitions are served."""

import asyncio
import uuid
from collections.abc import Callable

from canary_operator.playground.api import crds, managed
from canary_operator.playground.api.objects import timestamp, without
from canary_operator.playground.api.registry import Registry
from canary_operator.playground.api.store import Change, Key, Storage, Store

SERVER = "kube-apiserver"
NAMESPACES: Storage = ("", "namespaces")
ACCOUNTS: Storage = ("", "serviceaccounts")
DEFAULT_ACCOUNT = "default"
DEFINITIONS: Storage = ("apiextensions.k8s.io", "customresourcedefinitions")

Delete = Callable[[Storage, Key, str], None]


class Lifecycle:
    """Follows namespaces and CustomResourceDefinitions."""

    def __init__(self, store: Store, registry: Registry, delete: Delete) -> None:
        self._store = store
        self._registry = registry
        self._delete = delete
        store.listeners.append(self._follow)

    def _follow(self, change: Change) -> None:
        obj, loop = change.stored.obj, asyncio.get_running_loop()
        if change.storage == NAMESPACES and change.type != "DELETED":
            if obj["metadata"].get("deletionTimestamp"):
                loop.call_soon(self._empty, obj["metadata"]["name"])
            elif change.type == "ADDED":
                loop.call_soon(self._give_account, obj["metadata"]["name"])
        elif change.storage == DEFINITIONS:
            self._serve(change)
        if change.type == "DELETED":
            namespace = obj["metadata"].get("namespace", "")
            owner = self._store.get(NAMESPACES, ("", namespace)) if namespace else None
            if owner is not None and owner.obj["metadata"].get("deletionTimestamp"):
                loop.call_soon(self._finish_namespace, namespace)
            loop.call_soon(self._finish_definition, change.storage)

    # ------------------------------------------------------------------ namespaces

    def _give_account(self, namespace: str) -> None:
        """Create the service account that pods of a new namespace run as."""
        key = (namespace, DEFAULT_ACCOUNT)
        found = self._store.get(NAMESPACES, ("", namespace))
        if found is None or self._store.get(ACCOUNTS, key) is not None:
            return
        meta = {"name": DEFAULT_ACCOUNT, "namespace": namespace, "uid": str(uuid.uuid4())}
        account = {"kind": "ServiceAccount", "apiVersion": "v1"}
        given = {**meta, "creationTimestamp": timestamp()}
        self._store.put(ACCOUNTS, key, {**account, "metadata": given})

    def _empty(self, namespace: str) -> None:
        """Delete everything in a namespace that is going."""
        for storage in self._store.storages():
            for key, stored in list(self._store.scan(storage, namespace)):
                if not stored.obj["metadata"].get("deletionTimestamp"):
                    self._delete(storage, key, "Background")
        self._finish_namespace(namespace)

    def _finish_namespace(self, namespace: str) -> None:
        found = self._store.get(NAMESPACES, ("", namespace))
        if found is None or not found.obj["metadata"].get("deletionTimestamp"):
            return
        contents = (self._store.scan(s, namespace) for s in self._store.storages())
        if any(True for objects in contents for _ in objects):
            return
        if found.obj["metadata"].get("finalizers"):
            return
        last = {**found.obj, "spec": without(found.obj.get("spec", {}), "finalizers")}
        self._store.remove(NAMESPACES, ("", namespace), last)

    # ------------------------------------------------------------------ definitions

    def _serve(self, change: Change) -> None:
        """Bring the registry up to date with a definition, and establish a new one."""
        crd = change.stored.obj
        storage = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        loop = asyncio.get_running_loop()
        if change.type == "DELETED":
            self._registry.serve(storage, ())
            self._store.end_watches(storage)
            return
        if crds.is_established(crd):
            self._registry.serve(storage, crds.resources(crd))
            self._store.reread(storage, crds.reader(crd))
        if crd["metadata"].get("deletionTimestamp"):
            loop.call_soon(self._remove_instances, storage)
        else:
            loop.call_soon(self._establish, crd["metadata"]["name"])

    def _establish(self, name: str) -> None:
        found = self._store.get(DEFINITIONS, ("", name))
        if found is None or found.obj["metadata"].get("deletionTimestamp"):
            return
        old, status = found.obj, crds.established(found.obj)
        if status == old.get("status"):
            return
        resource = self._registry.builtin(*DEFINITIONS)
        new = {**old, "status": status}
        writer = managed.Writer(SERVER, managed.UPDATE, resource.api_version, "status")
        before = {**old, "status": {"acceptedNames": {}, "conditions": None, **old["status"]}}
        entries = managed.after_update(before, new, writer, resource.schema, managed.entries(old))
        meta = {**old["metadata"], "managedFields": entries}
        self._store.put(DEFINITIONS, ("", name), {**new, "metadata": meta})

    def _remove_instances(self, storage: Storage) -> None:
        for key, stored in list(self._store.scan(storage)):
            if not stored.obj["metadata"].get("deletionTimestamp"):
                self._delete(storage, key, "Background")
        self._finish_definition(storage)

    def _finish_definition(self, storage: Storage) -> None:
        """Let a definition go once its last object is gone."""
        name = f"{storage[1]}.{storage[0]}"
        found = self._store.get(DEFINITIONS, ("", name))
        if found is None or not found.obj["metadata"].get("deletionTimestamp"):
            return
        if any(True for _ in self._store.scan(storage)):
            return
        left = [f for f in found.obj["metadata"].get("finalizers") or () if f != crds.CLEANUP]
        if left == found.obj["metadata"].get("finalizers"):
            return
        meta = without(found.obj["metadata"], "finalizers")
        if left:
            meta = {**meta, "finalizers": left}
            self._store.put(DEFINITIONS, ("", name), {**found.obj, "metadata": meta})
        else:
            self._store.remove(DEFINITIONS, ("", name), {**found.obj, "metadata": meta})
