"""Immutable files of a table: their names, layout, writing, index and reading, and the closed DuckDB over them."""
