-- The way back from version 2 to version 1, in the reverse order.

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
DROP TABLE deletion;
