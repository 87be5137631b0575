-- Sites whose pages are nothing without a browser.

CREATE TABLE rendered_site (
    site text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE INDEX rendered_site_expiry ON rendered_site (expires_at);
