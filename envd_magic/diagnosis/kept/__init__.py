"""Small tables of what is well known, kept here since no index tells it."""
