"""What every process of the engine knows: the catalog's model, errors, settings, messages and metadata."""
