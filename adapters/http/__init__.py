"""Personalizer's REST API over HTTP: unchanged clients find what they knew."""
