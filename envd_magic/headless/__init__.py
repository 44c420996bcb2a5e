"""The command line: what notebooks and files define, looked at, checked and built."""
