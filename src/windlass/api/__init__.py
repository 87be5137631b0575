"""The HTTP API: an ASGI app over Service that speaks the dialects of wire/.

The server starts what `windlass.api.app.create_app` returns.
"""
