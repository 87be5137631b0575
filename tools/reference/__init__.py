"""Makes docs/reference and the settings table of the README from the code: `make docs`.

Run as `python -m tools.reference`. tests/unit/test_docs.py fails while a file is not what this
makes.
"""
