"""Is there what builds need? Small checks, asked before minutes are spent."""
