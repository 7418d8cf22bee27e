-- The user database of Posthorn (posthorn-directory).
--
-- This file is a list of steps.  "-- step N" begins the statements that lead from
-- schema version N-1 to N; a new database runs them all, an older one those that
-- it lacks.  Before an existing database is touched, a copy of it is written
-- beside it (FILE.vN), so that the step can be taken back.  The version is
-- PRAGMA user_version; the option `compatible` names the oldest version of the
-- schema whose programs may still use the database.  A step is never changed
-- once it has been released: add another one.
--
-- Addresses are kept in one form only, so that BINARY comparison finds them:
-- local part in Unicode NFC and lower case, domain in lower-case A-labels.
-- Times are FILETIME (100 ns since 1601-01-01 UTC).

-- step 1

-- name = value; here are `compatible`, and `generation`, which grows by one with
-- every change and lets caches of other processes notice what they missed.
CREATE TABLE options (
    name          TEXT NOT NULL PRIMARY KEY,
    value         NOT NULL
) WITHOUT ROWID;
INSERT INTO options (name, value) VALUES ('compatible', 1), ('generation', 1);

-- An organisation is what sees one address book.
CREATE TABLE organisations (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL COLLATE NOCASE UNIQUE,
    description   TEXT NOT NULL DEFAULT ''
);

CREATE TABLE domains (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    organisation_id INTEGER NOT NULL REFERENCES organisations (id),
    name          TEXT NOT NULL UNIQUE,
    title         TEXT NOT NULL DEFAULT '',
    status        INTEGER NOT NULL DEFAULT 0,   -- 0 normal, 1 suspended, 3 deleted
    node          TEXT NOT NULL DEFAULT '',     -- of mailboxes created from now on
    lang          TEXT NOT NULL DEFAULT 'en',   -- likewise
    max_users     INTEGER NOT NULL DEFAULT 0,   -- 0: no limit
    catch_all     TEXT NOT NULL DEFAULT '',     -- address that gets what nobody has
    transport     TEXT NOT NULL DEFAULT '',     -- Postfix transport; '': default
    created       INTEGER NOT NULL
);
CREATE INDEX domains_organisation ON domains (organisation_id);

-- Everything with an entry in the address book.  Ids are never used again,
-- because they are part of legacy DNs in old mail.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    domain_id     INTEGER NOT NULL REFERENCES domains (id),
    kind          INTEGER NOT NULL,             -- 1 user, 2 shared, 3 group,
                                                -- 4 contact, 5 public store
    status        INTEGER NOT NULL DEFAULT 0,   -- as in domains
    address       TEXT NOT NULL UNIQUE,
    display_name  TEXT NOT NULL DEFAULT '',
    legacy_dn     TEXT NOT NULL COLLATE NOCASE UNIQUE, -- stays for ever
    password      TEXT NOT NULL DEFAULT '',     -- crypt(3) or $argon2...; '': none
    rights        INTEGER NOT NULL DEFAULT 0,   -- PH_RIGHT_* bits
    lang          TEXT NOT NULL DEFAULT 'en',
    node          TEXT NOT NULL DEFAULT '',     -- where the mailbox is,
    path          TEXT NOT NULL DEFAULT '',     -- and its folder there; '': none
    mailbox_guid  BLOB NOT NULL UNIQUE,         -- 16 bytes
    quota_warning INTEGER NOT NULL DEFAULT 0,   -- bytes; 0: none
    quota_send    INTEGER NOT NULL DEFAULT 0,
    quota_receive INTEGER NOT NULL DEFAULT 0,
    max_submit_size INTEGER NOT NULL DEFAULT 0, -- KiB; 0: default
    hidden        INTEGER NOT NULL DEFAULT 0,   -- 1 address book, 2 address lists,
                                                -- 4 delegates, 8 name resolution
    forward       INTEGER NOT NULL DEFAULT 0,   -- 0 no, 1 copy, 2 redirect
    created       INTEGER NOT NULL,
    changed       INTEGER NOT NULL
);
CREATE INDEX users_domain ON users (domain_id, kind);
CREATE INDEX users_name ON users (display_name COLLATE NOCASE);

-- Other properties that the address book shows.  The value has SQLite's own type:
-- TEXT for PT_UNICODE, BLOB for PT_BINARY and PT_CLSID, REAL for PT_DOUBLE,
-- INTEGER for the others (PT_SYSTIME as FILETIME).  A multi-value property has
-- one row for each element, ordinal 0 and up; others ordinal 0 alone.
CREATE TABLE user_properties (
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tag           INTEGER NOT NULL,             -- id * 65536 + type
    ordinal       INTEGER NOT NULL DEFAULT 0,
    value         NOT NULL,
    PRIMARY KEY (user_id, tag, ordinal)
) WITHOUT ROWID;

-- Further addresses of users and groups.
CREATE TABLE aliases (
    address       TEXT NOT NULL PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX aliases_user ON aliases (user_id);

-- Where mail goes on from a mailbox; users.forward says whether a copy stays.
CREATE TABLE forwards (
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address       TEXT NOT NULL,
    PRIMARY KEY (user_id, address)
) WITHOUT ROWID;

-- What a user of kind 3 has besides.
CREATE TABLE groups (
    user_id       INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    posting       INTEGER NOT NULL DEFAULT 0,   -- 0 all, 1 organisation, 2 domain,
                                                -- 3 members, 4 group_senders
    everybody     INTEGER NOT NULL DEFAULT 0    -- all users of the domain belong to it
);

-- Members by address: users and groups here, or anybody elsewhere.
CREATE TABLE group_members (
    group_id      INTEGER NOT NULL REFERENCES groups (user_id) ON DELETE CASCADE,
    address       TEXT NOT NULL,
    PRIMARY KEY (group_id, address)
) WITHOUT ROWID;
CREATE INDEX group_members_address ON group_members (address);

CREATE TABLE group_senders (
    group_id      INTEGER NOT NULL REFERENCES groups (user_id) ON DELETE CASCADE,
    address       TEXT NOT NULL,
    PRIMARY KEY (group_id, address)
) WITHOUT ROWID;

-- step 2

-- Limits of a user, with the quotas above; 0: as the domain says, -1: none.  In a
-- domain 0 and -1 are both none, but for keep_deleted, where 0 is what the store
-- does on its own (14 days).
ALTER TABLE users ADD COLUMN quota_deleted INTEGER NOT NULL DEFAULT 0;  -- bytes
ALTER TABLE users ADD COLUMN keep_deleted INTEGER NOT NULL DEFAULT 0;   -- seconds
ALTER TABLE users ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;           -- 1: yes
ALTER TABLE domains ADD COLUMN quota_warning INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN quota_send INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN quota_receive INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN quota_deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN keep_deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
