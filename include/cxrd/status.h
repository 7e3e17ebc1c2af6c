/* include/cxrd/status.h - error codes and the one-sentence explanation that travels with them.
 *
 * Three kinds of failure, three tools: a bug of ours is an assert; bad input, a bad file or a bad peer is an
 * `enum status` with one sentence in a `struct error`; no memory is ST_NOMEM. Nothing below main() exits. More: docs/internals/errors.md. */
#ifndef CXRD_STATUS_H
#define CXRD_STATUS_H

#include <stdbool.h>

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define STATUS_MAP(X)                                \
    X(OK, "success")                                 \
    X(INVALID, "invalid argument")                   \
    X(FORMAT, "malformed data")                      \
    X(UNSUPPORTED, "not a format that is read here") \
    X(UNUSABLE, "well formed but unusable")          \
    X(LIMIT, "over a limit")                         \
    X(IO, "input or output failed")                  \
    X(NOMEM, "out of memory")                        \
    X(NUMERIC, "not a finite number")                \
    X(BUSY, "busy, try again later")                 \
    X(CONFLICT, "the present state forbids it")      \
    X(CANCELLED, "cancelled")                        \
    X(NOTFOUND, "no such thing")

enum status {
#define X(name, text) ST_##name,
    STATUS_MAP(X)
#undef X
};

/* Filled by the function that failed; callers pass it up untouched. NULL is fine wherever one is asked for. */
struct error {
    enum status code;
    char text[320]; /* one sentence: lower case, no full stop, subject in quotes; a client may read it */
    char inner
        [256]; /* what only the operator may read, in the log and in the shell, such as a path; "" for nothing */
    const char *reason; /* a word for a client's program, a constant such as "modality"; NULL: none */
};

const char *status_name(enum status st); /* "ST_FORMAT" */
const char *status_text(enum status st); /* "malformed data" */

/* Whether a failure lies outside of what was asked: no memory, a disk that fails or is full, no descriptor, somebody who is
 * busy, something that is not there now or no longer as it was. The same call may succeed another time with nothing changed
 * in what is asked, so what it could go on from is kept. All others are the fault of what was asked. */
bool status_is_outside(enum status st);

/* Format `text` and return `code`, so that failing is one statement. */
enum status error_set(struct error *err, enum status code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same, with ": <strerror(errno)>" appended. When errno is ENOMEM it is ST_NOMEM, whatever `code` is. */
enum status error_errno(struct error *err, enum status code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Add what only the operator may read to an error that was just set. Returns `code`. */
enum status error_inner(struct error *err, enum status code, const char *inner);

/* Add a word for programs to an error that was just set: it is kept as it is, not copied. Returns `code`. */
enum status error_reason(struct error *err, enum status code, const char *reason);

/* ST_NOMEM with a sentence that needs no memory. */
enum status error_nomem(struct error *err);

#ifdef __clang_analyzer__ /* reads one file at a time, and would think that a failure may be ST_OK */
#define error_set(err, code, ...)   (error_set(err, code, __VA_ARGS__), (code))
#define error_errno(err, code, ...) (error_errno(err, code, __VA_ARGS__) == ST_NOMEM ? ST_NOMEM : (code))
#define error_nomem(err)            (error_nomem(err), ST_NOMEM)
#endif

#endif
