"""Pure builders: from a cluster's spec to the Kubernetes objects it consists of.

They return plain objects as server-side apply takes them, with no field that the API server would fill in, so that the
same spec gives the same bytes in every version of the operator, and no pod restarts for nothing.
"""
