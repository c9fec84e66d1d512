"""Exchange: histories that come from elsewhere, and what others can read of ours."""
