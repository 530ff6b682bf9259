"""The desired state: models, a loader that keeps positions, one Git revision as specs."""
