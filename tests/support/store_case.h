/* tests/support/store_case.h - a store, jobs and models in it, and its database seen from outside: a file in a scratch folder, or with
 * CXRD_TEST_POSTGRESQL=postgresql://…?… a schema there, which goes with the test; see tests/support/postgresql.
 *
 * A suite that uses it says .init = store_case_begin, .fini = store_case_end. */
#ifndef TESTS_STORE_CASE_H
#define TESTS_STORE_CASE_H

#include "cxrd/store.h"

/* Of the running test; what store_open() takes. */
extern char *store_folder, store_path[4096];
extern struct store *store;

void store_case_begin(void);
void store_case_end(void);
void store_reopen(void);
void closed(void); /* until store_reopen() */

bool store_is_file(void);
void needs_file(void); /* the test is skipped where it is not */

struct id {
    char text[ID_SIZE];
};

/* ---- jobs ---- */

/* store_job_add() of a configuration as JSON text. */
enum status add(const char *config, const char *key, const char *sha256, size_t max_queued, struct id *ret,
                struct error *err);
struct id added(const char *config);

/* A job as it is told, a new reference. */
json_t *job_of(struct id id);

/* A member of a job, as JSON text in static memory. */
const char *told(struct id id, const char *member);
void check_state(struct id id, const char *state);

enum status move(struct id id, enum job_state to, struct error *err);
void moved(struct id id, enum job_state to);

/* The id of the job that begins now, "" where none waits; by another handle of the same store. */
struct id begun(void);
struct id begun_in(struct store *s);

/* The last claim that this test has of a job; of one that it has not begun, one without a token. */
struct claim claim_of(struct id id);

/* A job in that state. */
struct id job_in(enum job_state state);

/* Its record becomes `text`, and what is told while it runs. */
void recorded(struct id id, const char *text);
void tell(struct id id, const char *name, const char *data, const char *record);

/* A page of the list, a new reference. */
json_t *listed(size_t limit, int64_t before, const char *state, int64_t *ret_next);

/* The jobs of a page of ten, as one text. */
char *list_text(void);

/* ---- models ---- */

void model_added(const char *id);
void activated(const char *id);

/* ---- the database ---- */

/* One text by SQL of our own, in static memory. */
const char *asked(const char *sql);

/* The database is changed by SQL of our own. */
void changed(const char *sql);

/* From the version of today to version 7, which knew no names; to version 3. */
#define TO_VERSION_7                                                                                       \
    "DROP TABLE generations; DROP TABLE replicas; DROP TABLE epochs; DROP TABLE model_files; DROP TABLE "  \
    "job_files; DROP TABLE "                                                                               \
    "leases; DROP TABLE job_links; ALTER TABLE "                                                           \
    "settings DROP COLUMN model; ALTER TABLE models "                                                      \
    "DROP COLUMN job; "                                                                                    \
    "ALTER TABLE models DROP COLUMN imported; "                                                            \
    "DROP TABLE model_signatures; DROP TABLE profile_choices; DROP TABLE profiles; DROP TABLE forgotten; " \
    "DROP TABLE feedback; DROP TABLE shadow_scores; DROP TABLE scored_models; DROP "                       \
    "TABLE scored; "                                                                                       \
    "DROP TABLE captions; ALTER TABLE models DROP COLUMN name; ALTER TABLE models DROP COLUMN note; "      \
    "ALTER TABLE models DROP COLUMN own_thresholds; "
#define TO_VERSION_3                                                                                         \
    "DROP TABLE summaries; DROP INDEX jobs_by_end; ALTER TABLE jobs DROP COLUMN ended; ALTER TABLE notices " \
    "DROP COLUMN since; ALTER TABLE jobs DROP COLUMN begun_at; " TO_VERSION_7

#endif
