"""What is kept of builds: in a notebook, in a history, in recordings."""
