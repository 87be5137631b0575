"""One parsed tree, read in processes that may be killed.

Used by formats and by extraction. Nothing here knows of drivers, formats or tasks.
"""
