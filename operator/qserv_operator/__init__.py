"""Kubernetes operator that runs Qserv clusters."""
