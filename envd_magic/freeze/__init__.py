"""From what is there to an ImageSpec: a live kernel, a notebook's imports, a built image."""
