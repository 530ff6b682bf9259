"""Builders that tests share: worlds, specs, real instances."""
