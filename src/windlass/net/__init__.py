"""Outbound network: which addresses may be dialled, content encodings, cookies."""
