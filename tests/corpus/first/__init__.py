"""What the rules are written from."""
