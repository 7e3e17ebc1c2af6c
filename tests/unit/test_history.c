/* tests/unit/test_history.c - what earlier films of a patient showed: earlier ones only, of the same patient only, of the
 * whole table, in whatever order it has them. */
#include "cxrd/buf.h"
#include "cxrd/dataset.h"
#include "cxrd/rng.h"
#include "jobs/training/row_inputs.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

TestSuite(history, .fini = check_no_leaks);

#define HEADER "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age\n"

enum { EFFUSION = 1 << 4, HERNIA = 1 << 7, MASS = 1 << 9, NODULE = 1 << 10 };

static struct table table_of(const char *text)
{
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_eq(table_read(text, strlen(text), "t.csv", &NIH_LABELS, &t, &err), ST_OK, "%s", err.text);
    return t;
}

static const struct table_row *row_named(const struct table *t, const char *image)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (strcmp(table_image(t, i), image) == 0)
            return &t->rows[i];
    cr_assert(false, "no row '%s'", image);
    return NULL;
}

static void check(const struct table *t, const char *image, bool earlier, unsigned ever, unsigned last)
{
    const struct table_row *row = row_named(t, image);

    cr_assert(row->history_known, "%s", image);
    cr_assert_eq(row->earlier, earlier, "%s", image);
    cr_assert_eq(row->ever, ever, "%s: ever %jx", image, (uintmax_t)row->ever);
    cr_assert_eq(row->last, last, "%s: last %jx", image, (uintmax_t)row->last);
}

/* The facts that must be known of a film. */
struct known_film {
    const char *image;
    bool earlier;
    unsigned ever, last;
};

static void check_films(const char *text, size_t n, const struct known_film *films)
{
    struct table t = table_of(text);

    for (size_t i = 0; i < n; i++)
        check(&t, films[i].image, films[i].earlier, films[i].ever, films[i].last);
    table_release(&t);
}

/* Patients and times are mixed, as no table promises an order. */
Test(history, is_of_earlier_films_in_whatever_order_the_table_has_them)
{
    check_films(
        HEADER "c2.png,Nodule,2,1,50\n"
               "x0.png,Hernia,0,2,50\n"
               "c0.png,Effusion|Mass,0,1,50\n"
               "c3.png,Edema,3,1,50\n"
               "c1.png,No Finding,1,1,50\n"
               "x1.png,Mass,10,2,50\n",
        6,
        (struct known_film[]){ { "c0.png", false, 0, 0 },
                               { "c1.png", true, EFFUSION | MASS, EFFUSION | MASS },
                               { "c2.png", true, EFFUSION | MASS, 0 }, /* the last film showed nothing */
                               { "c3.png", true, EFFUSION | MASS | NODULE, NODULE },
                               { "x0.png", false, 0, 0 },
                               { "x1.png", true, HERNIA, HERNIA } });
}

Test(history, does_not_hold_films_of_the_same_time)
{
    check_films(HEADER "a.png,Mass,1,1,50\n"
                       "b.png,Nodule,1,1,50\n"
                       "c.png,Hernia,2,1,50\n"
                       "d.png,Effusion,0,1,50\n",
                3,
                (struct known_film[]){ { "a.png", true, EFFUSION, EFFUSION },
                                       { "b.png", true, EFFUSION, EFFUSION },
                                       { "c.png", true, EFFUSION | MASS | NODULE, MASS | NODULE } });
}

Test(history, counts_rows_of_one_picture_as_one_film)
{
    check_films(HEADER "a.png,Mass,0,1,50\n"
                       "b.png,Hernia,1,1,50\n"
                       "a.png,Nodule,,1,50\n"
                       "c.png,Effusion,,1,50\n"
                       "c.png,Hernia,5,1,50\n",
                3,
                (struct known_film[]){ { "a.png", false, 0, 0 },
                                       { "b.png", true, MASS | NODULE, MASS | NODULE },
                                       { "c.png", true, MASS | NODULE | HERNIA, HERNIA } });
}

/* A film of age 414 is not learned from, nor a normal one; what they showed is known all the same. */
Test(history, is_of_the_whole_table_and_not_of_the_rows_that_are_used)
{
    struct table t = table_of(HEADER "a.png,Mass,0,1,414\n"
                                     "b.png,No Finding,1,1,50\n"
                                     "c.png,Hernia,2,1,50\n");
    struct rows used;
    struct dataset_report report = { 0 };
    struct error err;

    cr_assert_eq(table_filter(&t, 120, true, false, &used, NULL, &report, &err), ST_OK);
    cr_assert(used.n == 1 && used.index[0] == 2);
    check(&t, "c.png", true, MASS, 0);
    rows_release(&used);
    table_release(&t);
}

/* A row's numbers for a finding: how many earlier films showed it, how many came after the last of these. */
static void check_course(const struct table *t, const char *image, size_t films, size_t k, size_t often,
                         size_t since)
{
    const struct input_values v = row_values(t, (size_t)(row_named(t, image) - t->rows));

    cr_assert_float_eq(v.of[INPUT_FILMS], log(1 + (double)films), 1e-12, "%s", image);
    cr_assert_float_eq(v.of[INPUT_OFTEN + k], log(1 + (double)often), 1e-12, "%s, %zu", image, k);
    cr_assert_float_eq(v.of[INPUT_LATELY + k], often ? 1 / (1 + (double)since) : 0, 1e-12, "%s, %zu", image,
                       k);
}

Test(history, counts_films_and_those_since)
{
    enum { EFFUSION_AT = 4, MASS_AT = 9 };
    struct table t = table_of(HEADER "a3.png,Hernia,3,1,50\n"
                                     "a0.png,Effusion|Mass,0,1,50\n"
                                     "b0.png,Mass,0,2,50\n"
                                     "a1.png,No Finding,1,1,50\n"
                                     "a2.png,Mass,2,1,50\n"
                                     "x2.png,Effusion,2,1,50\n"
                                     "c.png,Mass,,3,50\n");

    check_course(&t, "a0.png", 0, MASS_AT, 0, 0);
    check_course(&t, "b0.png", 0, MASS_AT, 0, 0);
    check_course(&t, "a1.png", 1, MASS_AT, 1, 0);
    check_course(&t, "a2.png", 2, MASS_AT, 1, 1);
    check_course(&t, "x2.png", 2, EFFUSION_AT, 1, 1);
    check_course(&t, "a3.png", 3, MASS_AT, 2, 0);
    check_course(&t, "a3.png", 3, EFFUSION_AT, 2, 0); /* two pictures of one time are one film */
    cr_assert(isnan(row_values(&t, 6).of[INPUT_FILMS]) && isnan(row_values(&t, 6).of[INPUT_OFTEN + MASS_AT]));
    table_release(&t);
}

/* Counts end at INPUT_MOST_FILMS and do not begin anew. */
Test(history, counts_no_further_than_it_can)
{
    enum { MASS_AT = 9, EDEMA_AT = 3, FILMS = INPUT_MOST_FILMS + 50 };
    struct buf text = BUF_INIT(1 << 20);
    struct table t;

    buf_puts(&text, HEADER);
    for (int i = 0; i < FILMS; i++)
        buf_printf(&text, "%d.png,%s,%d,1,50\n", i, i ? "Mass" : "Edema", i);
    buf_put(&text, "", 1);
    t = table_of((const char *)text.data);
    check_course(&t, "100.png", 100, MASS_AT, 99, 0);
    check_course(&t, "304.png", INPUT_MOST_FILMS, MASS_AT, INPUT_MOST_FILMS, 0);
    check_course(&t, "304.png", INPUT_MOST_FILMS, EDEMA_AT, 1, INPUT_MOST_FILMS);
    table_release(&t);
    buf_release(&text);
}

Test(history, is_not_known_without_a_patient_or_a_number)
{
    struct table t = table_of(HEADER "a.png,Mass,0,,50\n"
                                     "b.png,Hernia,1,,50\n"
                                     "c.png,Mass,,1,50\n"
                                     "d.png,Mass,first,1,50\n"
                                     "e.png,Mass,-1,1,50\n"
                                     "f.png,Mass,1.5,1,50\n"
                                     "g.png,Mass,99999999999,1,50\n"
                                     "h.png,Hernia,7,1,50\n");

    cr_assert(t.has_follow_up);
    for (size_t i = 0; i + 1 < t.n_rows; i++)
        cr_assert_not(t.rows[i].history_known, "%s", table_image(&t, i));
    check(&t, "h.png", false, 0, 0);
    table_release(&t);
}

Test(history, takes_numbers_as_tables_write_them)
{
    struct table t = table_of("Image Index,Finding Labels,FOLLOW_UP #,Patient ID,Patient Age\n"
                              "a.png,Mass,000,1,50\n"
                              "b.png,Hernia,1.0,001,50\n"
                              "c.png,Nodule,20170312,1,50\n");

    check(&t, "b.png", true, MASS, MASS);
    check(&t, "c.png", true, MASS | HERNIA, HERNIA);
    table_release(&t);
}

Test(history, needs_the_column)
{
    struct table t = table_of("Image Index,Finding Labels,Patient ID,Patient Age\na.png,Mass,1,50\n");

    cr_assert_not(t.has_follow_up);
    cr_assert_not(t.rows[0].history_known);
    table_release(&t);
}

/* ---- whatever the table ---- */

enum { ROWS = 60, TABLES = 200 };

struct film {
    unsigned patient, time, label;
};

static void films_draw(struct rng *rng, struct film films[ROWS])
{
    for (size_t i = 0; i < ROWS; i++)
        films[i] = (struct film){ (unsigned)rng_below(rng, 8), (unsigned)rng_below(rng, 6),
                                  (unsigned)rng_below(rng, N_NIH_LABELS + 1) };
}

static struct table table_of_films(const struct film films[ROWS])
{
    struct buf csv = BUF_INIT(1 << 16);
    struct table t;

    buf_puts(&csv, HEADER);
    for (size_t i = 0; i < ROWS; i++)
        buf_printf(&csv, "%zu.png,%s,%u,%u,50\n", i,
                   films[i].label < N_NIH_LABELS ? NIH_LABELS.names[films[i].label] : "No Finding",
                   films[i].time, films[i].patient + 1);
    buf_put(&csv, "", 1);
    t = table_of(csv.data);
    buf_release(&csv);
    return t;
}

/* Row by row, as it is meant. */
static void check_by_definition(const struct film films[ROWS], const struct table *t)
{
    for (size_t i = 0; i < ROWS; i++) {
        unsigned ever = 0, last = 0;
        int latest = -1;

        for (size_t j = 0; j < ROWS; j++)
            if (films[j].patient == films[i].patient && films[j].time < films[i].time)
                latest = (int)films[j].time > latest ? (int)films[j].time : latest;
        for (size_t j = 0; j < ROWS; j++) {
            const unsigned bit = films[j].label < N_NIH_LABELS ? 1u << films[j].label : 0;

            if (films[j].patient != films[i].patient || films[j].time >= films[i].time)
                continue;
            ever |= bit;
            last |= (int)films[j].time == latest ? bit : 0;
        }
        cr_assert(t->rows[i].history_known && t->rows[i].earlier == (latest >= 0));
        cr_assert(t->rows[i].ever == ever && t->rows[i].last == last, "row %zu", i);
    }
}

Test(history, is_what_it_is_by_definition)
{
    struct rng rng;

    rng_seed(&rng, 1, 1);
    for (size_t n = 0; n < TABLES; n++) {
        struct film films[ROWS];
        struct table t;

        films_draw(&rng, films);
        t = table_of_films(films);
        check_by_definition(films, &t);
        table_release(&t);
    }
}

/* Whatever is found at a film changes nothing of what is known at it, before it, or of others. */
Test(history, knows_nothing_of_the_present_and_of_what_comes)
{
    struct rng rng;

    rng_seed(&rng, 2, 1);
    for (size_t n = 0; n < TABLES; n++) {
        struct film films[ROWS];
        struct table before, after;
        const size_t changed = (size_t)rng_below(&rng, ROWS);

        films_draw(&rng, films);
        before = table_of_films(films);
        films[changed].label = (films[changed].label + 1) % (N_NIH_LABELS + 1);
        after = table_of_films(films);
        for (size_t i = 0; i < ROWS; i++)
            if (films[i].patient != films[changed].patient || films[i].time <= films[changed].time)
                cr_assert(before.rows[i].ever == after.rows[i].ever &&
                              before.rows[i].last == after.rows[i].last,
                          "row %zu knows of row %zu", i, changed);
        table_release(&before);
        table_release(&after);
    }
}
