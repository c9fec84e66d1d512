"""The report of an evaluation as one HTML file that needs nothing else."""
