"""Explore: from a library to one page that people want to look at."""
