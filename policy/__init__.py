"""Whether a plan may run: access rules, guardrails, quotas. It never edits a plan."""
