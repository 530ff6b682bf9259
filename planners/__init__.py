"""Pure planning: Desired and Observed in, a Plan out; no I/O, no clock, no chance."""
