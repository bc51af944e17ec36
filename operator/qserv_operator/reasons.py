"""The one list of reasons: of conditions, of events, of metric labels, and the anchors of the page of failure modes."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Each with what it means and what to do."""

    def __new__(cls, value: str, meaning: str = "") -> Reason:
        made = str.__new__(cls, value)
        made._value_ = value
        made.meaning = meaning
        return made

    meaning: str

    SERVING = "Serving", "SQL is answered, and every chunk can be reached."
    STARTING = "Starting", "Not all kinds of pod have a ready one yet. Look at the pods that are not ready."
    CHUNKS_LOST = (
        "ChunksLost",
        "Chunks have no copy that can be reached: queries of them fail. Bring their workers' nodes back.",
    )
    ENGINE_UNREACHABLE = (
        "EngineUnreachable",
        "No replication controller answers; no worker is stopped until one does. Look at its pods and the metadata's.",
    )
    STABLE = "Stable", "All is as the resource wants it."
    SUSPENDED = (
        "Suspended",
        "spec.suspend is set: the operator changes nothing but the workers' disruption budget, and reports.",
    )
    CREATING = "Creating", "Pods are being made for the first time."
    ROLLING_OUT = "RollingOut", "Pods are restarted with a new template, a few at a time."
    UPGRADING = (
        "Upgrading",
        "A new image is rolled out: replication controllers (and the metadata's schema), workers, czars.",
    )
    CANARY_RUNNING = "CanaryRunning", "The first pod of a new template is being proven."
    WAITING_FOR_SAFETY = (
        "WaitingForSafety",
        "The next worker cannot be stopped without losing a chunk. It goes on when copies are made; with "
        "spec.replication.factor 1 it never does: raise the factor to 2 for the time.",
    )
    VERSIONS_APART = (
        "VersionsApart",
        "The new controllers hear no worker of the former image: the versions are too far apart. Put the former image "
        "back and upgrade through the one between; or delete the workers' pods, which come back with the new one.",
    )
    MAINTENANCE = "Maintenance", "Nodes are under maintenance: no rollout and no replacement meanwhile."
    SCALING_OUT = "ScalingOut", "New workers are coming."
    SCALING_IN = "ScalingIn", "Workers are being emptied, then their pods go."
    REPLACING = "Replacing", "A worker whose node is lost is made anew on another node."
    HEALTHY = "Healthy", "Every chunk has all its copies, and nothing is broken."
    NODE_LOST = (
        "NodeLost",
        "A worker's node is lost; it is replaced when its time has come. Bring the node back, or wait.",
    )
    REPLACEMENT_BLOCKED = (
        "ReplacementBlocked",
        "A worker's node is lost for good, and chunks have their last copy there, or the engine does not know the "
        "worker, and so not what is on its disk. Bring the disk back, or do what the message says if nothing is on it.",
    )
    CHUNKS_AT_RISK = "ChunksAtRisk", "Chunks have one good copy left; it is being copied."
    CHUNKS_UNDER_REPLICATED = "ChunksUnderReplicated", "Chunks have fewer copies than the factor; they are being made."
    FACTOR_UNMET = (
        "FactorUnmet",
        "There are fewer workers than spec.replication.factor. Add workers or lower the factor.",
    )
    CANARY_FAILED = (
        "CanaryFailed",
        "The first pod of a new template failed; the former one is back. Change the spec, or spec.restart to retry.",
    )
    IMAGE_NOT_PULLABLE = "ImageNotPullable", "A node cannot pull an image. Check its name, and imagePullSecrets."
    POD_FAILING = "PodFailing", "A pod fails again and again. Read its log."
    POD_UNSCHEDULABLE = "PodUnschedulable", "No node fits a pod. Check nodes, taints, resources and volumes."
    SECRET_MISSING = "SecretMissing", "A Secret or a key of it is not there. Make it."
    VOLUME_FULL = "VolumeFull", "A worker's disk is nearly full. Add workers."
    APPLY_REFUSED = "ApplyRefused", "The API server or the engine refused what was to be done. The message says why."
    INVALID_SPEC = "InvalidSpec", "The resource cannot be read. The message says what to write."
    WORKER_STOPPED = "WorkerStopped", "A worker was stopped for a rollout, after the engine agreed."
    WORKER_DRAINING = "WorkerDraining", "A worker's chunks are being moved away."
    WORKER_REPLACED = "WorkerReplaced", "A worker of a lost node is made anew on another node."
    WORKER_REMOVED = "WorkerRemoved", "An emptied worker was taken out of the engine's registry."
    ROLLED_BACK = "RolledBack", "A template failed and the former one was put back."
    ACCOUNT_SET = "AccountSet", "An account was made or changed."
    ACCOUNT_CONFLICT = "AccountConflict", "Another resource has an account of that name. Choose another name."
    CLUSTER_MISSING = (
        "ClusterMissing",
        "There is no QservCluster of that name in the namespace. Make it, or name another.",
    )
    PENDING = "Pending", "Waits for the cluster to answer."
    PREPARING = "Preparing", "The catalog's Job makes the files that are to be loaded."
    PREPARE_FAILED = (
        "PrepareFailed",
        "The catalog's Job failed, and nothing was loaded. Read the log of its pods, put it right, change spec.retry.",
    )
    LOADING = "Loading", "Files are being loaded."
    COMMITTING = "Committing", "All files are loaded; they are being made visible."
    PUBLISHED = "Published", "The catalog can be queried."
    LOAD_FAILED = (
        "LoadFailed",
        "Files could not be loaded; nothing of them is visible. Put them right and change the spec, or spec.retry.",
    )
    LOAD_ABORTED = "LoadAborted", "A load whose QservCatalog is gone was aborted; nothing of it is visible."
    CATALOG_CONFLICT = "CatalogConflict", "Another resource loads that database. Choose another name."
    CATALOG_DROPPED = "CatalogDropped", "The resource is gone and its policy was Delete: the database was dropped."
