"""One single-purpose pass per file: a Case in; drafts, notes and obstacles out."""
