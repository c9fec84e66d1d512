"""Audit: whether a log is what it says it is, and why a decision came out as it did."""
