"""`doctor`: what is wrong, or might go wrong, with a machine and its loops."""
