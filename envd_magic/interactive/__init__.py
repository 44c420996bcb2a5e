"""What the magics are made of: options, settings, jobs, commands, completion, help."""
