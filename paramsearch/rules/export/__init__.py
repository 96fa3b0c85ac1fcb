"""A rule in the forms that other programs read; one file each."""
