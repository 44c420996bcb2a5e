"""Why a build failed: which field of the spec, which item, and what can be done.

:func:`~envd_magic.diagnosis.diagnose.diagnose` makes a value of what is known of a failure, by the
rules of :mod:`envd_magic.diagnosis.rules`, each a pattern and what it means.
"""
