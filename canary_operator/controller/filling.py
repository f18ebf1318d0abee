"""Whether every cache has been filled once, told from what kopf does.

kopf lists each resource, hands every object to its index handler, and only when all lists of all
resources were handled does it call the first event handler. So one event proves that all caches
are filled. Where a cluster has no object of ours there is no event; then each list is over when
kopf begins to watch.
"""

from collections.abc import Iterable

Place = tuple[str, str]
"""Resource, as `deployments.apps`, and namespace; empty for all namespaces."""


class Filling:
    """Follows the first lists."""

    def __init__(self, followed: Iterable[str], essential: str) -> None:
        """Begin with nothing.

        Args:
            followed: Resources whose lists count.
            essential: The one of them without which there is nothing to do.
        """
        self._followed = frozenset(followed)
        self._essential = essential
        self._listing: set[Place] = set()
        self._listed: set[Place] = set()
        self._any_object = False
        self._any_event = False

    def asked(self, verb: str, resource: str, namespace: str) -> None:
        """Take in a request that kopf sends."""
        place = (resource, namespace)
        if resource not in self._followed or place in self._listed:
            return
        if verb == "list":
            self._listing.add(place)
        elif verb == "watch":
            self._listing.discard(place)
            self._listed.add(place)

    def saw_object(self) -> None:
        """Take in that an object of a list was handled."""
        self._any_object = True

    def saw_event(self) -> None:
        """Take in that an event was handled."""
        self._any_event = True

    def missing(self) -> str | None:
        """Say what is not filled yet; None when everything is."""
        if self._essential not in {resource for resource, _ in self._listed}:
            return f"{self._essential} not listed yet; is its CRD installed?"
        if self._any_event:
            return None
        if self._listing:
            return "not listed yet: " + ", ".join(sorted({what for what, _ in self._listing}))
        return "lists not handled yet" if self._any_object else None
