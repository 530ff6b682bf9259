"""Redis: definition, hints and driver."""
