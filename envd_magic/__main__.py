"""``python -m envd_magic``: the same as ``envd-magic``."""

from envd_magic.headless.cli import main

if __name__ == "__main__":
    main(prog_name="envd-magic")
