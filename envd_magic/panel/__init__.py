"""The build panel: a form for an ImageSpec with the recipe beside it, in a notebook."""
