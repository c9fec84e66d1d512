"""Deciding: from a request to probabilities and a drawn action."""
