"""A world for the operator to live in: an API server with its controllers, nodes that fail, and an engine with chunks.

Small, but honest where it matters: server-side apply, uid preconditions, claims that wait for their pods, volumes tied
to a node, disks that are gone for good when their claim is deleted, an engine whose view lags behind.
"""
