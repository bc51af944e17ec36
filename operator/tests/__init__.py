"""Tests of the operator. A package, or pytest would import them as ``operator.tests`` and hide Python's own module."""
