"""Backups of a data folder: taken while its loops go on, checked before they are put back."""
