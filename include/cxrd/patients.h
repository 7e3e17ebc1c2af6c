/* include/cxrd/patients.h - the patients of one data set without their ids: who is to be left out of jobs, and whose rows a job
 * used.
 *
 * A patient is a code: HMAC-SHA256 of the data set's name and of what the table's reader makes of the id (patient_key()), under
 * a key of this server's, cut to 128 bits. Ids are small numbers, so a plain digest of one is found by trying all of them. With a
 * key this takes the key too, which is in a file of its own, "<state>/patients.key": a copy of the database or of a job's folder
 * without that file names nobody. A person with the whole state folder can try ids; one with the table can read them. */
#ifndef CXRD_PATIENTS_H
#define CXRD_PATIENTS_H

#include "cxrd/dataset.h"

enum { PATIENTS_KEY = 32, PATIENT_CODE_SIZE = 23 /* 22 characters of base64 */ };

struct patients_key {
    unsigned char bytes[PATIENTS_KEY];
};

/* Read "<state>/patients.key", or make it with mode 0600, durably.
 * Errors: ST_IO (also: it is no such file), ST_NOMEM. */
MUST_USE enum status patients_key_open(const char *state, struct patients_key *ret, struct error *err);

/* A text that tells one key from another and says nothing of it. Errors: ST_NOMEM. */
MUST_USE enum status patients_key_check(const struct patients_key *key, char ret[PATIENT_CODE_SIZE]);

/* Errors: ST_NOMEM. */
MUST_USE enum status patient_code(const struct patients_key *key, const char *dataset, uint64_t patient,
                                  char ret[PATIENT_CODE_SIZE]);

/* ---- who is to be left out, or was learned from ---- */

struct patients; /* those of one data set; whoever has it may use it in one thread at a time */

/*   key  borrowed; must outlive it */
MUST_USE enum status patients_new(const struct patients_key *key, const char *dataset, struct patients **ret,
                                  struct error *err);
void patients_free(struct patients *p); /* NULL is fine */

MUST_USE enum status patients_add(struct patients *p, const char *code); /* ST_NOMEM */
size_t patients_count(const struct patients *p);                         /* NULL has none */

/* Whether the patient with this key is one of them. Rows of nobody known (PATIENT_NONE) never are.
 * Errors: ST_NOMEM. */
MUST_USE enum status patients_has(struct patients *p, uint64_t patient, bool *ret_has);

/* ret[i] says so of row i of a table: [n_rows]. Errors: ST_NOMEM. */
MUST_USE enum status patients_mark(struct patients *p, const struct table *t, bool *ret);

/* ---- whose rows a job uses: a file of it ---- */

#define PATIENTS_NAME "patients" /* in the job's folder */

/* Write for each patient of a split which parts have rows of theirs. Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status patients_write(struct patients *p, const char *path, const struct table *t,
                                    const struct split *split, struct error *err);

/* The parts of a patient there, bit 1 << TRAIN and so on; 0: none has a row.
 * Errors: ST_NOTFOUND (no such file), ST_FORMAT (also: it was made with another key), ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status patients_look(const struct patients_key *key, const char *path, const char *code,
                                   unsigned *ret_parts, struct error *err);

/* Add to `p` those who have rows there in one of these parts, bits as above. Errors: as patients_look(). */
MUST_USE enum status patients_read(struct patients *p, const char *path, unsigned parts, struct error *err);

/* Whether one who is to be left out has rows there. Errors: as patients_look(). */
MUST_USE enum status patients_meet(const struct patients *p, const char *path, bool *ret_meet,
                                   struct error *err);

#endif
