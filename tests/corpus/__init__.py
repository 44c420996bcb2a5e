"""Real failures of builds, recorded: what diagnosis is written from, and what it is measured on.

``recordings/first`` is what the rules are written from. ``recordings/holdout`` has another failure
of each kind, made otherwise; nobody reads it, ``make bench`` measures on it. Both are made by
``python -m tests.corpus record``, each by a build in the lab that fails for that reason.
"""
