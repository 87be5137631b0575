"""Frontier: pure crawl rules. No network, no database."""
