/* server/audit_chain.h - the chain of an audit log's lines, and how far it goes.
 *
 * A line of the log is a JSON object in ASCII, at most 64 KiB, and a newline. It has "time", "event", "prev", and members of the event.
 * "prev" is the SHA-256, as 64 hexadecimal digits, of the bytes of the line before without its newline, the last event of the file before
 * where this one is a file's first; 64 zeros at the very beginning. A line that is no JSON is torn: what follows it may name the torn line
 * or the event before it. `cxrd audit FILE…` follows the chain (audit_check.c).
 *
 * "<folder>/.<name>.chain" beside the log says how far. The log says the same, as long as it is there and whole: but its last
 * lines may be cut off, which leaves a chain in which nothing is wrong, and it may be moved away while no server runs, and
 * what is begun then must follow it.
 *
 * A record is one write over the one before, which does not wait for the disk. So after a power cut it may be an older one: it
 * calls no line synced that is not on the disk, and the log may go on behind what it says. */
#ifndef SERVER_AUDIT_CHAIN_H
#define SERVER_AUDIT_CHAIN_H

#include "cxrd/digest.h"
#include "cxrd/status.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct chain {
    char last[DIGEST_TEXT_SIZE];   /* of the line that was written last: the next one follows it */
    char synced[DIGEST_TEXT_SIZE]; /* of the last line that is on the disk for sure; "": not known */
    off_t synced_at;               /* where that line begins in its file */
    char begins
        [DIGEST_TEXT_SIZE]; /* what the log begins after, while none of its own lines is synced; else "" */
};

/* Nothing was written yet. */
void chain_init(struct chain *c);

/* Where the record of a log lies. False: the path is too long. */
MUST_USE bool chain_path(const char *log, char ret[PATH_MAX]);

/* Take over what a record says. One that is damaged, or of a cxrd that kept the last digest only, says no more than that; one
 * that is empty says nothing. */
void chain_read(int fd, struct chain *c);
MUST_USE bool chain_write(int fd, const struct chain *c); /* false: errno says why */

/* ---- following it ---- */

/* The line before, as somebody knows it who goes from line to line. */
struct before {
    char digest
        [DIGEST_TEXT_SIZE]; /* of the last event; "" at the very beginning, which may be anywhere in a chain */
    char torn
        [DIGEST_TEXT_SIZE]; /* of a torn line after it, "" for none: what came next followed that one once */
    char prev[DIGEST_TEXT_SIZE]; /* what the last event says that it follows */
};

/* One line, without its end. *ret_torn: it is no event, which is fine where what comes next follows the last one.
 *   where  for the sentence
 * Errors: ST_FORMAT, ST_NOMEM. */
MUST_USE enum status chain_line(const char *text, size_t n, struct before *before, bool *ret_torn,
                                const char *where, struct error *err);

enum chain_end {
    CHAIN_WHOLE,    /* it holds what was written, or nothing at all, or nothing is known */
    CHAIN_UNSYNCED, /* the last lines are missing, none of which was synced: a power cut may take these */
    CHAIN_CUT,      /* lines that were synced are missing, or were changed */
};

/* Whether a log, which holds whole lines only, ends where it should. Reads from the last synced line on.
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status chain_compare(FILE *log, const struct chain *c, enum chain_end *ret, struct error *err);

#endif
