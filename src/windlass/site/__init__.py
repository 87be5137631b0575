"""Site: what a site says about itself: robots.txt, sitemaps, canonical addresses. No network."""
