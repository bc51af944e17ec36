"""Times as Kubernetes writes them, and as seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime


def seconds(text: str | None) -> float | None:
    """Seconds since the epoch of a time such as 2026-01-31T12:00:00Z."""
    return datetime.fromisoformat(text).timestamp() if text else None


def moment(at: float) -> str:
    """The time, to a second."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
