"""From a Deployment that runs to a CanaryRollout that could take its place; nothing is applied.

    surroundings.py  what the cluster has, read once
    defaults.py      a template without what the API server filled in
    template.py      the pod template as its author wrote it
    selectors.py     whether a selector selects some labels
    ports.py         which Service, and its ports
    naming.py        a name whose objects are still free
    doubts.py        what a person has to look at first
    handover.py      what acts on the Deployment or its Service, and how it moves
    leftovers.py     what is not carried over
    proposal.py      all of it

Only `surroundings.py` talks to the cluster, the rest is pure.
"""
