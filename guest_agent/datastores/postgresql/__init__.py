"""PostgreSQL: definition, hints and driver."""
