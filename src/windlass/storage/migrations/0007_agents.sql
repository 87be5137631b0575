-- Agents of accounts, every version of each.

CREATE TABLE agent (
    account_id integer NOT NULL REFERENCES account,
    name text NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name, version)
);
