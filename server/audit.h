/* server/audit.h - the audit log: who asked for what, which model answered or was changed, how it ended. Never the
 * picture, its name, a patient or a probability.
 *
 * One JSON object a line, appended and on the disk before the reply leaves. Each carries in "prev" the SHA-256 of the line
 * before it, across rotations, so that a line that was changed or taken out shows (`cxrd audit FILE…` looks), and how far it
 * goes is noted beside it (audit_chain.h), so that a log whose end was cut off shows, too. A person who can write both can write
 * all of it anew: copies elsewhere are what the chain is compared with. A line that a crash left half written is taken back
 * at the next start, and an event "torn" says so; where last lines are missing, the next is an event "missing", and does not
 * follow what is left if they had been synced. */
#ifndef SERVER_AUDIT_H
#define SERVER_AUDIT_H

#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct audit;

/* Open or begin the file; an existing one is continued, and so is one that was moved away. Nobody else may write it meanwhile.
 *   max_bytes  a larger one is renamed to "<path>.<UTC time>" and a new one begun; 0: never
 * Errors: ST_CONFLICT (another server writes it), ST_FORMAT (no audit log), ST_INVALID (the path is too long), ST_IO,
 * ST_NOMEM. */
MUST_USE enum status audit_open(const char *path, size_t max_bytes, struct audit **ret_audit,
                                struct error *err);
void audit_close(struct audit *a); /* NULL is fine */

/* Append an event, whose members are taken over; "time", "event" and "prev" are added. With a NULL audit nothing
 * happens. Any thread may call.
 *   durable  return when it is on the disk; false: do not wait for the disk, not even where others do
 * Errors: ST_IO, ST_NOMEM: it may not be there. */
MUST_USE enum status audit_write(struct audit *a, const char *event, json_t *members, bool durable,
                                 struct error *err);

/* Append a "refused" event of somebody without a key, who can cause as many as there is room for: only so many are written
 * at once, and one a second after that. How many were left out is said by an event of its own, "left_out", before the next
 * line of any kind. Does not wait for the disk; otherwise as audit_write(). */
enum { AUDIT_UNTRUSTED = 100 };
MUST_USE enum status audit_untrusted(struct audit *a, json_t *members, struct error *err);

/* Open the path anew, after another program moved the file away. Errors: ST_IO: the old one stays in use. */
MUST_USE enum status audit_reopen(struct audit *a, struct error *err);

/* Findings of a check: counts, which begin where they are, and whom it tells of a torn line, or NULL. */
struct audit_found {
    size_t lines, torn;
    bool begins_inside;    /* the first event follows one that is in none of the files */
    bool end_known;        /* there are events, and beside the last file it is noted how far they go */
    bool unsynced_missing; /* they do not: lines are missing which were not synced, as after a power cut */
    void (*on_torn)(const char *where); /* "'<path>', line <n>" */
};

/* Check files that follow each other, at least one, and the end of the last by what is noted beside it. A line that is torn is
 * none that was changed, as long as the next follows the one before it.
 * Errors: ST_FORMAT (the sentence names file and line), ST_IO, ST_NOMEM. */
MUST_USE enum status audit_check(const char *const *paths, size_t n_paths, struct audit_found *found,
                                 struct error *err);

#endif
