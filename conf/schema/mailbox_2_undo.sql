-- The way back from version 2 to version 1, in the reverse order.

UPDATE counter SET total = total + ifnull((SELECT sum(total) FROM folder
        WHERE deleted > 0), 0),
    associated = associated + ifnull((SELECT sum(associated) FROM folder
        WHERE deleted > 0), 0),
    deleted = deleted - ifnull((SELECT sum(total + associated) FROM folder
        WHERE deleted > 0), 0),
    size = size + ifnull((SELECT sum(size) FROM folder WHERE deleted > 0), 0),
    associated_size = associated_size + ifnull((SELECT sum(associated_size)
        FROM folder WHERE deleted > 0), 0),
    deleted_size = deleted_size - ifnull((SELECT sum(size + associated_size)
        FROM folder WHERE deleted > 0), 0);
DROP TABLE retention;
DROP INDEX message_change;
DROP INDEX message_origin;
DROP INDEX folder_expire;
DROP INDEX message_expire;
ALTER TABLE message DROP COLUMN origin;
DROP TABLE reply_log;
DROP TABLE rule;
DROP TABLE mail_folder;
DROP TABLE delegate;
DROP TABLE per_user;
DROP TRIGGER read_state_deleted;
DROP TRIGGER read_state_added;
DROP TRIGGER message_deleted;
DROP TRIGGER message_changed;
DROP TABLE reader_folder;
DROP TABLE read_state;
DROP TABLE reader;

DELETE FROM config WHERE name = 'deletion_floor';
DROP INDEX message_source;
DROP INDEX folder_source;
DROP INDEX folder_cn;
DROP INDEX deletion_cn;
DROP TABLE deletion;
DROP TABLE search_row;
DROP TABLE search_fill;
DROP TABLE search_scope;
DROP TABLE search;
