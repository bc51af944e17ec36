"""The plan's tasks: each a pure function of the snapshot that returns steps and findings of its own concern."""
