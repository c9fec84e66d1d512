"""Evaluation: what other learning policies would have earned, estimated from the log."""
