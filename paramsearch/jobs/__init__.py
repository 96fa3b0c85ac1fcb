"""The main jobs from end to end, with all the files that they leave."""
