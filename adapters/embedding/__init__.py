"""The Python API: loops inside your own program, blocking or async."""
