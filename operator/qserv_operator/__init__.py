"""The operator: keeps a `QservCluster` of Kubernetes running, and stops no pod while a chunk would be lost by it.

How it works
------------
*Gather*: one worker a cluster reads everything that matters (custom resources, objects, nodes, the engine's own facts)
into a frozen :class:`~qserv_operator.snapshot.Snapshot`.

*Plan*: :func:`qserv_operator.plan.plan` is pure; it takes the snapshot and the time and returns what to apply, what to
delete, what to ask of the engine, the status and when to look again.

*Apply*: one module carries the plan out by server-side apply. What could hurt is guarded by a live question to the
engine just before, and by the operator's lease.

Nothing is remembered between two rounds except in the resources' status, so the operator may be killed at any point.
StatefulSets serve as pod factories (`Parallel`, `OnDelete`): every deletion of a pod is the operator's own choice.
"""

__version__ = "0.1.0"
