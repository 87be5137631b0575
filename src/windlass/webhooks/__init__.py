"""Webhooks: signing and sending news to receivers. Knows nothing of tasks or of the vendor."""
