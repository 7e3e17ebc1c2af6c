/* server/commands/ranks_mpi.c - see ranks_mpi.h. The only file that knows MPI.
 *
 * All goes from rank to rank, MPI_Isend() and MPI_Irecv(): of a collective call nobody can tell who keeps it waiting, and it waits for
 * ever for a process that is stopped. A rank that waits looks for what has come, a little later each time, so that ranks which
 * share a core leave it to one another. Only the thread that opened it calls MPI (MPI_THREAD_FUNNELED). */
#include "ranks_mpi.h"

#include "cxrd/clock.h"

#include <assert.h>
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG_BYTES = 1, TAG_BEAT, LOOKS = 2000, LONGEST_NAP = 200000 /* ns */ };
enum {
    FOR_RANK_0 = 10,
    LAST_WORD = 5
};                            /* seconds: to leave it the end; until this process ends whatever happens */
static const double BEAT = 1; /* seconds from one to the next */
static const double GRACE =
    0.4; /* for other ranks when this one was told to end: mpirun leaves a second until SIGKILL */

static struct {
    int n, me;
    bool (*ended)(void);
    MPI_Request *requests; /* [2 n]: receiving from each, sending to each */
    int *done;             /* [2 n] */
    double *heard;         /* [n]: when it last was */
    MPI_Request *beats;    /* [n]: on their way */
    double beaten;
} mpi;

/* Signs of life that have come. */
static void listen_for_beats(void)
{
    for (int there = 1; there;) {
        MPI_Status from;
        char beat;

        MPI_Iprobe(MPI_ANY_SOURCE, TAG_BEAT, MPI_COMM_WORLD, &there, &from);
        if (!there)
            break;
        MPI_Recv(&beat, 1, MPI_CHAR, from.MPI_SOURCE, TAG_BEAT, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        mpi.heard[from.MPI_SOURCE] = clock_seconds();
    }
}

static void beat(void *arg)
{
    static char life = 1;
    const double now = clock_seconds();

    (void)arg;
    if (now - mpi.beaten < BEAT)
        return;
    mpi.beaten = now;
    for (int q = 0; q < mpi.n; q++) {
        int gone = 1;

        if (q == mpi.me)
            continue;
        if (mpi.beats[q] != MPI_REQUEST_NULL)
            MPI_Test(&mpi.beats[q], &gone, MPI_STATUS_IGNORE);
        if (gone)
            MPI_Isend(&life, 1, MPI_CHAR, q, TAG_BEAT, MPI_COMM_WORLD, &mpi.beats[q]);
    }
}

/* No message is longer than an int says: the longest is a checkpoint, which is limited to less. */
static void begin(const struct iovec *out, const struct iovec *in)
{
    for (int q = 0; q < mpi.n; q++) {
        const struct iovec *to = &out[q], *from = &in[q];

        mpi.requests[q] = mpi.requests[mpi.n + q] = MPI_REQUEST_NULL;
        if (q == mpi.me)
            continue;
        assert(from->iov_len <= INT_MAX && to->iov_len <= INT_MAX);
        if (from->iov_len)
            MPI_Irecv(from->iov_base, (int)from->iov_len, MPI_BYTE, q, TAG_BYTES, MPI_COMM_WORLD,
                      &mpi.requests[q]);
        if (to->iov_len)
            MPI_Isend(to->iov_base, (int)to->iov_len, MPI_BYTE, q, TAG_BYTES, MPI_COMM_WORLD,
                      &mpi.requests[mpi.n + q]);
    }
}

/* Whether all have come and gone. */
static bool all_done(void)
{
    int n = 0;

    MPI_Testsome(2 * mpi.n, mpi.requests, &n, mpi.done, MPI_STATUSES_IGNORE);
    for (int i = 0; i < n && n != MPI_UNDEFINED; i++)
        mpi.heard[mpi.done[i] % mpi.n] = clock_seconds();
    return n == MPI_UNDEFINED;
}

static void nap(size_t looks)
{
    const size_t late = looks - LOOKS;
    const struct timespec a_little = { 0, (long)(late < 200 ? 1000 * (late + 1) : LONGEST_NAP) };

    if (looks < LOOKS)
        sched_yield();
    else
        nanosleep(&a_little, NULL);
}

/* Mark the ranks that are waited for and were not heard of since; returns whether there is one. */
static bool missing_since(double seconds, bool *ret_missing)
{
    const double now = clock_seconds();
    bool any = false;

    for (int q = 0; q < mpi.n; q++) {
        const bool waited =
            mpi.requests[q] != MPI_REQUEST_NULL || mpi.requests[mpi.n + q] != MPI_REQUEST_NULL;

        ret_missing[q] = waited && now - mpi.heard[q] > seconds;
        any = any || ret_missing[q];
    }
    return any;
}

static enum status exchange(void *arg, const struct iovec *out, const struct iovec *in, double seconds,
                            bool *ret_missing)
{
    const double began = clock_seconds();
    double told = 0;

    (void)arg;
    for (int q = 0; q < mpi.n; q++)
        mpi.heard[q] = began;
    begin(out, in);
    for (size_t looks = 0; !all_done(); looks++) {
        nap(looks);
        if (looks % 16 != 0)
            continue;
        listen_for_beats();
        if (missing_since(seconds, ret_missing))
            return ST_IO;
        if (told == 0 && mpi.ended())
            told = clock_seconds();
        if (told > 0 && clock_seconds() - told > GRACE)
            return ST_CANCELLED;
    }
    return ST_OK;
}

static const struct ranks_form FORM = { exchange, beat };

static enum status room_make(struct error *err)
{
    const size_t n = (size_t)mpi.n;

    mpi.requests = calloc(2 * n, sizeof *mpi.requests);
    mpi.done = calloc(2 * n, sizeof *mpi.done);
    mpi.heard = calloc(n, sizeof *mpi.heard);
    mpi.beats = calloc(n, sizeof(MPI_Request));
    if (!mpi.requests || !mpi.done || !mpi.heard || !mpi.beats)
        return error_nomem(err);
    for (size_t q = 0; q < n; q++)
        mpi.beats[q] = MPI_REQUEST_NULL;
    return ST_OK;
}

enum status ranks_mpi_open(bool (*ended)(void), double wait, struct ranks **ret_ranks, struct error *err)
{
    char name[MPI_MAX_PROCESSOR_NAME + 32], host[MPI_MAX_PROCESSOR_NAME];
    int provided, length;
    enum status st;

    *ret_ranks = NULL;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_size(MPI_COMM_WORLD, &mpi.n);
    MPI_Comm_rank(MPI_COMM_WORLD, &mpi.me);
    mpi.ended = ended;
    if (mpi.n == 1)
        return ST_OK;
    MPI_Get_processor_name(host, &length);
    snprintf(name, sizeof name, "%s, process %ld", host, (long)getpid());
    st = room_make(err);
    return st == ST_OK ? ranks_new(&FORM, NULL, (size_t)mpi.n, (size_t)mpi.me, name, wait, ret_ranks, err)
                       : st;
}

void ranks_mpi_close(struct ranks *ranks, int status)
{
    const bool together = !ranks_lost(ranks), leave_it = mpi.me != 0 && !ranks_misses(ranks, 0);

    ranks_free(ranks);
    if (together) {
        MPI_Finalize();
        return;
    }
    if (leave_it)
        sleep(FOR_RANK_0);
    alarm(LAST_WORD); /* it asks mpirun to end the others, and waits for an answer */
    MPI_Abort(MPI_COMM_WORLD, status ? status : EXIT_FAILURE);
    _exit(status ? status : EXIT_FAILURE);
}
