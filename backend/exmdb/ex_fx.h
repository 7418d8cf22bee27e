/*
 * FastTransfer (MS-OXCFXICS): downloads that are made while they are read, and
 * uploads that are built while they come.
 *
 * A download (ex_fx_out_t) is a stack of things still to be told: a list of
 * messages, a message, its recipients, an attachment, the message inside it.
 * RopFastTransferSourceGetBuffer asks for bytes; the thing on top makes its
 * next element, or puts another thing on top of itself.  Nothing is made ahead
 * of what is read, so that memory is that of one open message (its large values
 * stay on disk), however much is copied.  Things hold ids, working copies and
 * tables of the store, never a connection: a transfer goes on over any number
 * of Executes, and what others delete meanwhile is left out.
 *
 * An upload (ex_fx_in_t) is the same stack turned around: elements come from
 * the parser (mapi/mapi_fx.h) one by one and go into the object on top.
 */

#ifndef EX_FX_H
#define EX_FX_H

#include "ex_rop.h"
#include "mapi/mapi_fx.h"

/* SendOptions (2.2.3.1.1.1.2) */
#define EX_FX_UNICODE        0x01
#define EX_FX_USE_CPID       0x02
#define EX_FX_RECOVER        0x04
#define EX_FX_FORCE_UNICODE  0x08
#define EX_FX_PARTIAL_ITEMS  0x10

typedef struct ex_fx_out_s    ex_fx_out_t;
typedef struct ex_fx_in_s     ex_fx_in_t;

/* TransferStatus (2.2.3.1.1.5.2) */
enum { EX_FX_ERROR = 0, EX_FX_PARTIAL = 1, EX_FX_NO_ROOM = 2, EX_FX_DONE = 3 };

/* ---- downloads ---- */

/*
 * Who makes a stream.  `next` is called when all that was put is sent: it puts
 * elements (a few; they stay in memory until they are sent) or an object, and
 * returns PH_OK; PH_DONE: that was all.  Anything else ends the transfer with
 * that error.
 * `recover` is told that the object put last could not be told to
 * its end; the errorInfo element is in the stream already.  PH_OK to go on.
 */
typedef struct {
    ph_int_t  (*next)(ex_rop_t *rop, ex_fx_out_t *out, void *data);
    ph_int_t  (*recover)(ex_rop_t *rop, ex_fx_out_t *out, void *data);
    void      (*close)(void *data);     /* frees data; may be NULL */
} ex_fx_producer_t;

/*
 * send: SendOptions; cpid: code page of 8-bit strings.  data belongs to the
 * stream from now on (also on error).  NULL: no memory.
 */
ex_fx_out_t *ex_fx_out_create(ex_rop_t *rop, uint8_t send, uint16_t cpid,
    const ex_fx_producer_t *producer, void *data);
void ex_fx_out_destroy(ex_fx_out_t **out);

/* The numbers of GetBuffer's progress, in bytes or any other unit. */
void ex_fx_out_progress(ex_fx_out_t *out, uint64_t done, uint64_t total);

/*
 * Elements; what v points to is copied.  Strings take the form that SendOptions
 * ask for; values of PT_ERROR, PT_NULL, PT_OBJECT and PT_SVREID are left out;
 * names of named properties are looked up.
 * put_value: tags 0x66XX and 0x67XX are written too: the caller says what
 * belongs to the grammar.
 * put_blob: a meta-property whose value is binary (MetaTagIdset..., Cnset...);
 * MetaTagIdsetGiven gets its own strange type.
 */
ph_int_t ex_fx_put_marker(ex_fx_out_t *out, uint32_t marker);
ph_int_t ex_fx_put_value(ex_rop_t *rop, ex_fx_out_t *out,
    const mapi_value_t *v);
ph_int_t ex_fx_put_long(ex_fx_out_t *out, uint32_t tag, uint32_t value);
ph_int_t ex_fx_put_blob(ex_fx_out_t *out, uint32_t tag, ph_str_t value);

/*
 * Which properties and subobjects of an object are told.  A body is always told
 * in the form in which it is stored, as current servers do whatever BestBody
 * says.
 */
#define EX_FX_NO_MTIME     0x0001   /* CopyMessages without SendEntryId */
#define EX_FX_IDS          0x0002   /* source and change keys, entry id */
#define EX_FX_MID          0x0004   /* PidTagMid first */
#define EX_FX_DELPROPS     0x0008   /* MetaTagFXDelProp before subobjects */
#define EX_FX_SYNC         0x0010   /* no header properties (2.2.4.3.4) */
#define EX_FX_ONLY         0x0020   /* tags are the ones wanted, not excluded */
#define EX_FX_ONE_LEVEL    0x0040   /* no subobjects at all */
#define EX_FX_MOVE         0x0080   /* nothing that the user may not delete */
#define EX_FX_SUBFOLDERS   0x0100

typedef struct {
    uint32_t     flags;
    mapi_tags_t  tags;    /* excluded or included; PR_MESSAGE_RECIPIENTS ... */
} ex_fx_what_t;

/*
 * Puts `propList messageChildren` of a message on the stack: it is told when
 * this call has returned to the stream.  The stream closes msg in the end (also
 * on error).  what is copied; its tags apply to this message, not to those
 * inside it.  With EX_FX_SYNC a message of class REPORT has no recipients.
 */
ph_int_t ex_fx_put_message(ex_rop_t *rop, ex_fx_out_t *out,
    store_message_t *msg, const ex_fx_what_t *what);

/*
 * The parts of the above for messageChangePartial: `propList` of the tags
 * named alone, and `messageChildren` with what->tags.  They do not close msg,
 * which has to live until they are told.
 */
ph_int_t ex_fx_put_message_values(ex_rop_t *rop, ex_fx_out_t *out,
    store_message_t *msg, const mapi_tags_t *tags);
ph_int_t ex_fx_put_message_children(ex_rop_t *rop, ex_fx_out_t *out,
    store_message_t *msg, const ex_fx_what_t *what);

/* `propList` of a folder: what->tags as above, ids of folders left out. */
ph_int_t ex_fx_put_folder_values(ex_rop_t *rop, ex_fx_out_t *out,
    uint64_t fid, const ex_fx_what_t *what);

/*
 * Bytes of the stream into buf: as many as fit (a value is cut where 2.2.4.1
 * allows it).  *done_r: these were the last.  PH_TOOBIG: not even the next
 * indivisible piece fits into size.  Other results end the transfer; they are
 * kept and given again.
 */
ph_int_t ex_fx_out_fill(ex_rop_t *rop, ex_fx_out_t *out, uint8_t *buf,
    size_t size, size_t *n_r, bool *done_r);

/*
 * The object behind a download handle.  Other downloads (ICS) make a bigger
 * structure that begins with this one, with ex_fx_source_make(), and know their
 * own by source->own.
 */
typedef struct {
    ex_object_t   o;
    ex_fx_out_t  *out;       /* NULL: not begun; then start() makes it */
    uint32_t      ec;        /* how it failed; told again and again */
    bool          done;
    const void   *own;
    /* Called by the first GetBuffer when out is NULL. 0, or the error. */
    uint32_t    (*start)(ex_rop_t *rop, void *source);
    void        (*close)(void *source);  /* before the structure is freed */
} ex_fx_source_t;

/* A source for the output handle, with out (may be NULL); NULL: no memory, out
 * is destroyed. */
void *ex_fx_source_make(ex_rop_t *rop, size_t size, ex_object_t *parent,
    ex_fx_out_t *out);
/* of ex_object_close() */
void ex_fx_source_close(ex_object_t *o);

/* ---- uploads ---- */

/* SourceOperation (2.2.3.1.2.1.1) */
enum {
    EX_FX_COPY_TO = 1, EX_FX_COPY_PROPERTIES, EX_FX_COPY_MESSAGES,
    EX_FX_COPY_FOLDER
};

/*
 * An upload into a folder, message or attachment, which is kept open by the
 * caller (it is the parent of the upload's handle).  NULL: no memory.
 */
ex_fx_in_t *ex_fx_in_create(ex_rop_t *rop, ex_object_t *target,
    uint8_t operation);
void ex_fx_in_destroy(ex_fx_in_t **in);
/*
 * The next bytes, cut anywhere.  Needs a writer.  0 or the MAPI error, which is
 * kept: ecFxUnexpectedMarker for what breaks the grammar.  *used_r bytes were
 * looked at.
 */
uint32_t ex_fx_in_put(ex_rop_t *rop, ex_fx_in_t *in, ph_str_t bytes,
    size_t *used_r);

typedef struct {
    ex_object_t  o;
    ex_fx_in_t  *in;
} ex_fx_dest_t;

#endif
