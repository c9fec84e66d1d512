"""Optimization: Optuna says which learning policies to try next."""
