"""The same kinds made otherwise: what the rules are measured on, and nobody reads."""
