-- The mailbox database, version 2 (PRAGMA user_version).
--
-- One file for each mailbox.  Rules that hold for all tables:
--   * times are FILETIME (100 ns since 1601-01-01 UTC), 0 means never;
--   * ids and change numbers are 48-bit counters, never used twice;
--   * names and addresses are UTF-8; *_key columns are their folded form (see
--     backend/store/store_fold.c), compared bytewise, so that no index depends on
--     the version of a collation library;
--   * packed columns (props, recipients, attachments) are described in
--     backend/store/store_pack.h;
--   * what is derived from a packed column is named "copy of": it exists for
--     an index, and store_check compares it.
--
-- A new version only adds tables, indices and columns with defaults; mailbox_N.sql
-- is the step from version N - 1, mailbox_N_undo.sql the way back.  A database that
-- went up the steps has the same schema as a new one (t/unit/test-store-schema.c);
-- see backend/store/store_upgrade.c.

-- Facts of the mailbox; one row.
CREATE TABLE mailbox (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    kind           INTEGER NOT NULL,   -- 0 private, 1 public
    guid           BLOB NOT NULL,      -- record key; replica 1
    mapping        BLOB NOT NULL,      -- mapping signature; replica 5
    address        TEXT NOT NULL,      -- of the owner
    display_name   TEXT NOT NULL,
    legacy_dn      TEXT NOT NULL,
    lang           TEXT NOT NULL,      -- "de_DE"
    created        INTEGER NOT NULL,
    quota_store    INTEGER NOT NULL,   -- bytes, 0: none
    quota_receive  INTEGER NOT NULL,
    quota_send     INTEGER NOT NULL,
    props          BLOB NOT NULL       -- packed properties of the store object
);

-- What grows with nearly every transaction; one row.
CREATE TABLE counter (
    id                  INTEGER PRIMARY KEY CHECK (id = 1),
    last_cn             INTEGER NOT NULL,  -- change number given out last
    next_range          INTEGER NOT NULL,  -- first id that is in no id_range
    next_id             INTEGER NOT NULL,  -- for folders: next id of their range
    last_id             INTEGER NOT NULL,  -- and its last one
    last_content        INTEGER NOT NULL,
    last_member         INTEGER NOT NULL,  -- permission.member given out last
    total               INTEGER NOT NULL,  -- live normal messages
    associated          INTEGER NOT NULL,
    deleted             INTEGER NOT NULL,  -- soft-deleted, both kinds
    size                INTEGER NOT NULL,  -- bytes of live normal messages
    associated_size     INTEGER NOT NULL,
    deleted_size        INTEGER NOT NULL
);

-- Ranges of ids that were handed out, so that none is used twice.
CREATE TABLE id_range (
    first    INTEGER PRIMARY KEY,
    last     INTEGER NOT NULL,
    kind     INTEGER NOT NULL,         -- 0 folders, 1 messages of `owner`, 2 client
    owner    INTEGER NOT NULL,         -- folder, or 0
    created  INTEGER NOT NULL
);

CREATE TABLE replica (
    replid  INTEGER PRIMARY KEY,
    guid    BLOB NOT NULL UNIQUE
);

CREATE TABLE named (
    id    INTEGER PRIMARY KEY,         -- 0x8000 .. 0xFFFE
    guid  BLOB NOT NULL,
    kind  INTEGER NOT NULL,            -- 0 lid, 1 name
    lid   INTEGER,
    name  TEXT
);
CREATE UNIQUE INDEX named_lid ON named (guid, lid) WHERE kind = 0;
CREATE UNIQUE INDEX named_name ON named (guid, name) WHERE kind = 1;

CREATE TABLE folder (
    id                  INTEGER PRIMARY KEY,
    parent              INTEGER REFERENCES folder (id),   -- NULL: root
    type                INTEGER NOT NULL,  -- PR_FOLDER_TYPE
    name                TEXT NOT NULL,
    name_key            TEXT NOT NULL,     -- unique among live siblings
    cn                  INTEGER NOT NULL,  -- change number of the folder
    hier_cn             INTEGER NOT NULL,  -- last change of its children
    created             INTEGER NOT NULL,
    modified            INTEGER NOT NULL,
    deleted             INTEGER NOT NULL DEFAULT 0,  -- when soft-deleted
    children            INTEGER NOT NULL DEFAULT 0,  -- live ones
    total               INTEGER NOT NULL DEFAULT 0,  -- live normal messages
    unread              INTEGER NOT NULL DEFAULT 0,
    associated          INTEGER NOT NULL DEFAULT 0,
    deleted_total       INTEGER NOT NULL DEFAULT 0,
    deleted_associated  INTEGER NOT NULL DEFAULT 0,
    size                INTEGER NOT NULL DEFAULT 0,
    associated_size     INTEGER NOT NULL DEFAULT 0,
    deleted_size        INTEGER NOT NULL DEFAULT 0,
    version             INTEGER NOT NULL DEFAULT 0,  -- of its contents
    committed           INTEGER NOT NULL DEFAULT 0,  -- last change of contents
    next_id             INTEGER NOT NULL DEFAULT 0,  -- next id of its range
    last_id             INTEGER NOT NULL DEFAULT 0,
    article             INTEGER NOT NULL DEFAULT 0,  -- article number given last
    change_key          BLOB,              -- NULL: from cn
    pcl                 BLOB,              -- NULL: change_key alone
    source_key          BLOB,              -- NULL: from id
    props               BLOB NOT NULL
);
CREATE UNIQUE INDEX folder_name ON folder (parent, name_key) WHERE deleted = 0;
CREATE INDEX folder_parent ON folder (parent, deleted, name_key);

CREATE TABLE message (
    id            INTEGER PRIMARY KEY,
    folder        INTEGER NOT NULL REFERENCES folder (id),
    state         INTEGER NOT NULL,    -- bit 0 associated, bit 1 soft-deleted
    cn            INTEGER NOT NULL,
    read_cn       INTEGER NOT NULL,    -- last change of the read state, or 0
    flags         INTEGER NOT NULL,    -- PR_MESSAGE_FLAGS
    status        INTEGER NOT NULL,    -- PR_MSG_STATUS
    size          INTEGER NOT NULL,    -- PR_MESSAGE_SIZE
    received      INTEGER NOT NULL,    -- copy of PR_MESSAGE_DELIVERY_TIME, or 0
    modified      INTEGER NOT NULL,    -- copy of PR_LAST_MODIFICATION_TIME
    committed     INTEGER NOT NULL,    -- PR_LOCAL_COMMIT_TIME
    deleted       INTEGER NOT NULL,    -- when soft-deleted
    article       INTEGER NOT NULL,    -- PR_INTERNET_ARTICLE_NUMBER
    next_attach   INTEGER NOT NULL,    -- attachment numbers are not used twice
    raw           INTEGER,             -- content: the RFC 5322 bytes
    subject_key   TEXT NOT NULL,       -- copy of the subject, folded
    sender_key    TEXT NOT NULL,       -- copy of the sender's name, folded
    conversation  BLOB,                -- copy of PR_CONVERSATION_ID
    change_key    BLOB,                -- NULL: from cn
    pcl           BLOB,                -- NULL: change_key alone
    source_key    BLOB,                -- NULL: from id
    props         BLOB NOT NULL,
    recipients    BLOB,
    attachments   BLOB,                -- with embedded messages
    origin        INTEGER NOT NULL DEFAULT 0  -- in Deleted Items: where it was
);
CREATE INDEX message_folder ON message (folder, state);
CREATE INDEX message_received ON message (folder, state, received);
CREATE INDEX message_modified ON message (folder, state, modified);
CREATE INDEX message_subject ON message (folder, state, subject_key);
CREATE INDEX message_sender ON message (folder, state, sender_key);
CREATE INDEX message_cn ON message (folder, cn);
CREATE INDEX message_read_cn ON message (folder, read_cn) WHERE read_cn > 0;
CREATE INDEX message_conversation ON message (conversation)
    WHERE conversation IS NOT NULL;
CREATE INDEX message_unread ON message (folder, state)
    WHERE flags & 1 = 0 AND state = 0;

-- Values too large for a packed column.  Up to 64 KiB they are in `data`; above,
-- in a blob file named by the SHA-256 of the content, shared by all who have it.
CREATE TABLE content (
    id    INTEGER PRIMARY KEY,
    size  INTEGER NOT NULL,
    sha   BLOB,                        -- NULL: in data
    data  BLOB                         -- NULL: in a file
);
CREATE UNIQUE INDEX content_sha ON content (sha) WHERE sha IS NOT NULL;

-- Who refers to it: a message or folder by id (their ids differ), 0 the store.
CREATE TABLE content_ref (
    owner    INTEGER NOT NULL,
    content  INTEGER NOT NULL REFERENCES content (id),
    PRIMARY KEY (owner, content)
) WITHOUT ROWID;
CREATE INDEX content_ref_content ON content_ref (content);

-- Content that nobody refers to, and since when.
CREATE TABLE content_free (
    content  INTEGER PRIMARY KEY REFERENCES content (id),
    freed    INTEGER NOT NULL
);

-- Deliveries that their sender may still repeat.
CREATE TABLE delivery (
    id       BLOB PRIMARY KEY,         -- 32 bytes
    message  INTEGER NOT NULL,
    folder   INTEGER NOT NULL,
    created  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE receive_folder (
    class_key  TEXT PRIMARY KEY,       -- lower case
    class      TEXT NOT NULL,
    folder     INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    modified   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE permission (
    folder   INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    address  TEXT NOT NULL,            -- lower case; '' default, '*' anonymous
    member   INTEGER NOT NULL,         -- the same for an address in all folders
    name     TEXT NOT NULL,
    rights   INTEGER NOT NULL,
    PRIMARY KEY (folder, address)
) WITHOUT ROWID;
CREATE INDEX permission_address ON permission (address);

-- Messages on their way out; the logic is exmdb's.
CREATE TABLE submit (
    message    INTEGER PRIMARY KEY,
    folder     INTEGER NOT NULL,
    submitted  INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    data       BLOB
);
CREATE INDEX submit_due ON submit (due, submitted);

-- What expires: everything that was soft-deleted, by when.
CREATE INDEX message_expire ON message (deleted) WHERE deleted > 0;
CREATE INDEX folder_expire ON folder (deleted) WHERE deleted > 0;
CREATE INDEX message_origin ON message (origin) WHERE origin > 0;
-- What is new since a change number, read states included, in the whole mailbox.
CREATE INDEX message_change ON message (max(cn, read_cn));

-- What the directory says beside the limits in `mailbox`; one row.
CREATE TABLE retention (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    warning       INTEGER NOT NULL DEFAULT 0,   -- bytes, 0: none
    deleted       INTEGER NOT NULL DEFAULT 0,   -- of recoverable items; 0: none
    warned        INTEGER NOT NULL DEFAULT 0,   -- when the user was told last
    keep          INTEGER NOT NULL DEFAULT 1209600,  -- seconds, 14 days
    hold          INTEGER NOT NULL DEFAULT 0    -- 1: nothing is removed
);
INSERT INTO retention (id) VALUES (1);

CREATE TABLE config (
    name   TEXT PRIMARY KEY,
    value  BLOB NOT NULL
) WITHOUT ROWID;

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

-- What is gone, for clients that synchronize (MS-OXCFXICS): a run of ids that
-- left a folder.  Written in the order of change numbers; the oldest rows are
-- removed, and `deletion_floor` in config is the last change number of those.
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

PRAGMA user_version = 2;
