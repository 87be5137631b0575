"""Vendor dialects: one API version's shapes, state names and error bodies, as pure functions.

The edges read and write with it, workers render results with it. It does no I/O and keeps no
state, and nothing in the vendor's vocabulary leaves this folder.
"""
