"""From a MySQL statement and a catalog to a plan: what workers run, where, and how their rows become the answer."""
