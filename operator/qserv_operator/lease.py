"""The lease: of several operators one acts. It is a coordination.k8s.io Lease, as client-go's leader election has it.

Each trusts its own monotonic clock only: the holder stops to lead two thirds of ``duration`` after it last began to
renew, another takes over ``duration`` after it last *saw* a change. The third between is longer than a changing call
may take, so what one began never meets what the other does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from qserv_operator.kube import Kube, RefusedError
from qserv_operator.names import Object


class Lease:
    """A lease of one name in one namespace.

    Parameters
    ----------
    holder : a name that no other operator has, such as that of the pod.
    duration : seconds after which a lease that was not renewed is free.
    """

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        holder: str,
        name: str = "qserv-operator",
        duration: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._namespace, self._name, self._holder = namespace, name, holder
        self._duration = duration
        self._clock = clock
        self._until = float("-inf")
        self._seen: tuple[str, float] = ("", float("-inf"))

    def leads(self) -> bool:
        """Whether it is held at this moment, and long enough for a call to end."""
        return self._clock() < self._until

    def renew(self) -> bool:
        """Take or renew it; whether it is held after. A server that does not answer leaves it as it was."""
        begun = self._clock()
        try:
            held = self._take()
        except RefusedError as error:
            if error.status == 409:
                self._until = float("-inf")
            return self.leads()
        self._until = begun + self._duration * 2 / 3 if held else float("-inf")
        return self.leads()

    def release(self) -> None:
        """Give it back, so that another need not wait. Only what is held is given back."""
        found = self._kube.get("coordination.k8s.io/v1", "Lease", self._namespace, self._name)
        self._until = float("-inf")
        if found is not None and found["spec"].get("holderIdentity") == self._holder:
            found["spec"]["holderIdentity"] = ""
            self._kube.replace(found)

    def _take(self) -> bool:
        found = self._kube.get("coordination.k8s.io/v1", "Lease", self._namespace, self._name)
        if found is None:
            self._kube.create(self._body(None))
            return True
        spec = found["spec"]
        version = found["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, self._clock())
        mine = spec.get("holderIdentity") == self._holder
        free = not spec.get("holderIdentity") or self._clock() - self._seen[1] > self._duration
        if not mine and not free:
            return False
        self._kube.replace(self._body(found))
        return True

    def _body(self, found: Object | None) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = found["spec"] if found else {}
        mine = before.get("holderIdentity") == self._holder
        metadata: Object = {"name": self._name, "namespace": self._namespace}
        if found is not None:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": int(self._duration),
                "acquireTime": before.get("acquireTime", now) if mine else now,
                "renewTime": now,
                "leaseTransitions": int(before.get("leaseTransitions", 0)) + (0 if mine else 1),
            },
        }
