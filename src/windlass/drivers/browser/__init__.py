"""The browser driver: pages as Chromium renders them. `driver.py` is the way in."""
