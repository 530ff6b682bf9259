"""Guests: the sealed client, and the simulated ones."""
