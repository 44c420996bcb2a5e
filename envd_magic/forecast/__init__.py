"""What a build will do, before it starts."""
