"""MariaDB: definition, hints and driver."""
