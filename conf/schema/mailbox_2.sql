-- The step of the mailbox database from version 1 to version 2: what mailbox.sql
-- has more than t/data/store/mailbox-1.sql.

-- Read state of public folders, for each user.  A row says that `message`, as it
-- is now, was read (1) or marked as unread (0); no row: not read yet.  A change of
-- a message drops its rows: it is new to everybody.
CREATE TABLE reader (
    id       INTEGER PRIMARY KEY,
    address  TEXT NOT NULL UNIQUE      -- lower case
);

CREATE TABLE read_state (
    message  INTEGER NOT NULL,
    reader   INTEGER NOT NULL REFERENCES reader (id) ON DELETE CASCADE,
    folder   INTEGER NOT NULL,
    read     INTEGER NOT NULL,
    cn       INTEGER NOT NULL,         -- change number of the read state
    PRIMARY KEY (message, reader)
) WITHOUT ROWID;
CREATE INDEX read_state_folder ON read_state (reader, folder, cn);

-- How many messages of a folder a reader has read; kept by the triggers.
CREATE TABLE reader_folder (
    reader   INTEGER NOT NULL REFERENCES reader (id) ON DELETE CASCADE,
    folder   INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    total    INTEGER NOT NULL,
    PRIMARY KEY (reader, folder)
) WITHOUT ROWID;

CREATE TRIGGER message_changed AFTER UPDATE OF id, folder, state, cn ON message
BEGIN
    DELETE FROM read_state WHERE message = OLD.id;
END;
CREATE TRIGGER message_deleted AFTER DELETE ON message
BEGIN
    DELETE FROM read_state WHERE message = OLD.id;
END;
CREATE TRIGGER read_state_added AFTER INSERT ON read_state WHEN NEW.read = 1
BEGIN
    INSERT INTO reader_folder (reader, folder, total)
        VALUES (NEW.reader, NEW.folder, 1)
        ON CONFLICT (reader, folder) DO UPDATE SET total = total + 1;
END;
CREATE TRIGGER read_state_deleted AFTER DELETE ON read_state WHEN OLD.read = 1
BEGIN
    UPDATE reader_folder SET total = total - 1
        WHERE reader = OLD.reader AND folder = OLD.folder;
END;

-- Read state of public folders elsewhere that clients keep here
-- (RopWritePerUserInformation).
CREATE TABLE per_user (
    folder    BLOB PRIMARY KEY,        -- long-term id, 22 bytes
    database  BLOB NOT NULL,           -- GUID of the public store
    data      BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX per_user_database ON per_user (database);

-- Who may act for the mailbox as a whole.
CREATE TABLE delegate (
    address  TEXT PRIMARY KEY,         -- lower case, of a user or group
    name     TEXT NOT NULL,
    flags    INTEGER NOT NULL          -- STORE_DELEGATE_*
) WITHOUT ROWID;

-- Addresses whose mail goes into a folder of this store.
CREATE TABLE mail_folder (
    address  TEXT PRIMARY KEY,         -- lower case
    folder   INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX mail_folder_folder ON mail_folder (folder);

-- Rules of a folder (MS-OXORULE 2.2.1.3), in the order of their evaluation.
CREATE TABLE rule (
    id             INTEGER PRIMARY KEY,  -- PR_RULE_ID; from the mailbox's ids
    folder         INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    sequence       INTEGER NOT NULL,
    state          INTEGER NOT NULL,     -- PR_RULE_STATE
    user_flags     INTEGER NOT NULL,
    level          INTEGER NOT NULL,
    name           BLOB,                 -- UTF-8; NULL: it has none
    provider       TEXT NOT NULL,
    provider_data  BLOB,
    condition      BLOB,                 -- as in a ROP, strings in UTF-8
    actions        BLOB NOT NULL         -- the same
);
CREATE INDEX rule_folder ON rule (folder, sequence, id);

-- Whom automatic replies went to.
CREATE TABLE reply_log (
    rule     INTEGER NOT NULL,           -- 0: out of office
    address  TEXT NOT NULL,              -- lower case
    sent     INTEGER NOT NULL,
    PRIMARY KEY (rule, address)
) WITHOUT ROWID;
CREATE INDEX reply_log_sent ON reply_log (sent);

-- What was deleted before nobody has written down.
CREATE TABLE deletion (
    seq     INTEGER PRIMARY KEY,
    cn      INTEGER NOT NULL,
    folder  INTEGER NOT NULL,          -- where it was; 0: the ids are folders
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    kind    INTEGER NOT NULL           -- 0 for good, 1 soft, 2 moved, 3 never
);
CREATE INDEX deletion_folder ON deletion (folder, cn);
CREATE INDEX deletion_cn ON deletion (cn);
CREATE INDEX deletion_first ON deletion (first);
CREATE INDEX folder_cn ON folder (cn);
CREATE INDEX folder_source ON folder (source_key) WHERE source_key IS NOT NULL;
CREATE INDEX message_source ON message (source_key)
    WHERE source_key IS NOT NULL;
INSERT OR REPLACE INTO config (name, value)
    SELECT 'deletion_floor', CAST(CAST(last_cn AS TEXT) AS BLOB) FROM counter;
ALTER TABLE message ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;
CREATE INDEX message_expire ON message (deleted) WHERE deleted > 0;
CREATE INDEX folder_expire ON folder (deleted) WHERE deleted > 0;
CREATE INDEX message_origin ON message (origin) WHERE origin > 0;
CREATE INDEX message_change ON message (max(cn, read_cn));
CREATE TABLE retention (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    warning       INTEGER NOT NULL DEFAULT 0,
    deleted       INTEGER NOT NULL DEFAULT 0,
    warned        INTEGER NOT NULL DEFAULT 0,
    keep          INTEGER NOT NULL DEFAULT 1209600,
    hold          INTEGER NOT NULL DEFAULT 0
);
INSERT INTO retention (id) VALUES (1);
-- What lies in soft-deleted folders counts as soft-deleted from now on.
UPDATE counter SET total = total - ifnull((SELECT sum(total) FROM folder
        WHERE deleted > 0), 0),
    associated = associated - ifnull((SELECT sum(associated) FROM folder
        WHERE deleted > 0), 0),
    deleted = deleted + ifnull((SELECT sum(total + associated) FROM folder
        WHERE deleted > 0), 0),
    size = size - ifnull((SELECT sum(size) FROM folder WHERE deleted > 0), 0),
    associated_size = associated_size - ifnull((SELECT sum(associated_size)
        FROM folder WHERE deleted > 0), 0),
    deleted_size = deleted_size + ifnull((SELECT sum(size + associated_size)
        FROM folder WHERE deleted > 0), 0);
-- The criteria of search folders (MS-OXCFOLD 2.2.1.4).  A search folder without
-- a row here has none yet.
CREATE TABLE search (
    folder       INTEGER PRIMARY KEY REFERENCES folder (id) ON DELETE CASCADE,
    flags        INTEGER NOT NULL,     -- SearchFlags, as set
    state        INTEGER NOT NULL,     -- 0 stopped, 1 being filled, 2 complete
    restriction  BLOB NOT NULL         -- MS-OXCDATA 2.12, 32-bit counts
);

-- Where a search looks: folders, or other search folders.
CREATE TABLE search_scope (
    folder    INTEGER NOT NULL REFERENCES search (folder) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    scope     INTEGER NOT NULL,
    PRIMARY KEY (folder, position)
) WITHOUT ROWID;
CREATE INDEX search_scope_scope ON search_scope (scope);

-- What a search has still to look at: messages of `scope` from `next` on.
CREATE TABLE search_fill (
    folder  INTEGER NOT NULL REFERENCES search (folder) ON DELETE CASCADE,
    scope   INTEGER NOT NULL,
    next    INTEGER NOT NULL,
    PRIMARY KEY (folder, scope)
) WITHOUT ROWID;

-- The messages in search folders, with copies of what their tables sort by.
CREATE TABLE search_row (
    folder       INTEGER NOT NULL,
    message      INTEGER NOT NULL,
    unread       INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    subject_key  TEXT NOT NULL,
    PRIMARY KEY (folder, message)
) WITHOUT ROWID;
CREATE INDEX search_row_message ON search_row (message);
CREATE INDEX search_row_received ON search_row (folder, received, message);
CREATE INDEX search_row_modified ON search_row (folder, modified, message);
CREATE INDEX search_row_subject ON search_row (folder, subject_key, message);
