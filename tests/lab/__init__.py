"""What a real envd build needs, on a bare Debian machine as root.

``up`` brings a Docker engine (the one that is there, else its own), a registry on the loopback
interface and a base image; ``python -m tests.lab`` does the same by hand.
"""

from .bench import Lab, Status, down, environment, reset, runs, status, up
from .process import LabError

__all__ = ["Lab", "LabError", "Status", "down", "environment", "reset", "runs", "status", "up"]
