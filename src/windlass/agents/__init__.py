"""Agents: documents that turn parameters into a request (contract 15). Read, checked, bound.

The API and the command line use it; what becomes of a request is not known here.
"""
