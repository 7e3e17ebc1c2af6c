/* jobs/store/schema.h - the tables of the store, for each engine: changes in order, of which a database has counted those that it
 * has. One that was released is never edited: a change is one more, of each engine, that leaves the same tables. */
#ifndef JOBS_STORE_SCHEMA_H
#define JOBS_STORE_SCHEMA_H

extern const char *const SQLITE_MIGRATIONS[], *const POSTGRESQL_MIGRATIONS[]; /* each up to a NULL */

#endif
