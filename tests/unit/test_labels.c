/* tests/unit/test_labels.c - lists of findings, and the words that mean them. */
#include "cxrd/labels.h"

#include "sentence.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct labels parsed(const char *joined)
{
    struct labels l;
    struct error err = { 0 };

    cr_assert_eq(labels_parse(joined, &l, &err), ST_OK, "%s: %s", joined, err.text);
    return l;
}

Test(labels, are_read_and_written_in_their_order)
{
    static const char *const LISTS[] = { "COVID-19", "Mass,Edema",
                                         "Herzinsuffizienz,\xe8\x82\xba\xe7\x82\x8e,3 ribs", "a,b,c,d,e" };

    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++) {
        const struct labels l = parsed(LISTS[i]);
        char text[LABELS_TEXT_SIZE];

        cr_assert_str_eq(labels_text(&l, text), LISTS[i]);
        for (size_t k = 0; k < l.n; k++)
            cr_assert_eq(labels_find(&l, l.names[k], strlen(l.names[k])), (int)k);
        cr_assert_eq(labels_find(&l, "Hernia", 6), -1);
    }
}

Test(labels, of_nih_are_the_fourteen)
{
    char text[LABELS_TEXT_SIZE];
    const struct labels l =
        parsed("Atelectasis,Cardiomegaly,Consolidation,Edema,Effusion,Emphysema,Fibrosis,Hernia,"
               "Infiltration,Mass,Nodule,Pleural_Thickening,Pneumonia,Pneumothorax");

    cr_assert(labels_equal(&NIH_LABELS, &l), "%s", labels_text(&NIH_LABELS, text));
}

Test(labels, of_other_order_or_number_are_others)
{
    const struct labels a = parsed("Mass,Edema"), b = parsed("Edema,Mass"), c = parsed("Mass");

    cr_assert(labels_equal(&a, &a) && !labels_equal(&a, &b) && !labels_equal(&a, &c) &&
              !labels_equal(&c, &a));
}

/* As many as fit, each as long as fits: their text must fit, too. */
Test(labels, are_sixty_four_at_most)
{
    struct labels l = { 0 }, back;
    struct error err = { 0 };
    char text[LABELS_TEXT_SIZE], name[LABEL_SIZE];

    for (int i = 0; i < MAX_LABELS; i++) {
        snprintf(name, sizeof name, "%02d%061d", i, 0);
        cr_assert_eq(labels_add(&l, name, strlen(name), &err), ST_OK, "%s", err.text);
    }
    cr_assert_eq(strlen(name), LABEL_SIZE - 1);
    cr_assert_eq(labels_parse(labels_text(&l, text), &back, &err), ST_OK, "%s", err.text);
    cr_assert(labels_equal(&l, &back));
    check_refusal("one more", labels_add(&l, "x", 1, &err), ST_INVALID, &err, "64");
}

Test(labels, that_cannot_be_are_refused)
{
    static const struct {
        const char *joined, *word;
    } WRONG[] = { { "", "empty" },
                  { "A,,B", "empty" },
                  { "A,B,", "empty" },
                  { "A,A", "twice" },
                  { "Pleural Thickening,pleural_thickening", "twice" },
                  { "Effusion,Pleural Effusions", "twice" },
                  { "A,No Finding", "no finding" },
                  { "normal", "no finding" },
                  { "A,None", "no earlier film" },
                  { "a|b", "character" },
                  { "a<b>", "character" },
                  { "a&amp", "character" },
                  { "a\"b", "character" },
                  { "a\\b", "character" },
                  { "a/b", "character" },
                  { "a\nb", "character" },
                  { "a\xe2\x80\x8b", "character" }, /* U+200B, no width */
                  { "a\xef\xbb\xbf", "character" }, /* U+FEFF */
                  { "a\xff", "character" },
                  { "a\xc2\x85z", "character" },     /* a control character of two bytes */
                  { "a\xe2\x80\xa8z", "character" }, /* an end of line */
                  { "a\xe2\x80\xaez", "character" }, /* from right to left */
                  { "a\xe2\x81\xa6z", "character" },
                  { "a\xe8\x82,b", "character" },
                  { "=1+1", "begin" },
                  { ".x", "begin" },
                  { " a", "begin" },
                  { "a ", "blank" },
                  { "0123456789012345678901234567890123456789012345678901234567890123", "long" } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct labels l = { .n = 77 };
        struct error err = { 0 };

        check_refusal(WRONG[i].joined, labels_parse(WRONG[i].joined, &l, &err), ST_INVALID, &err,
                      WRONG[i].word);
        cr_assert_eq(l.n, 77, "%s", WRONG[i].joined);
    }
}

Test(labels, of_a_word_are_those_of_the_list)
{
    const struct labels l = parsed("Scoliosis,Mass,pleural effusion,Oedema");
    static const struct {
        const char *word;
        int label;
    } WORDS[] = { { "scoliosis", 0 },
                  { "mass", 1 },
                  { "lung mass", 1 },
                  { "Pleural Effusion", 2 },
                  { "oedema", 3 },
                  { "Hernia", LABEL_OTHER },
                  { "nodules", LABEL_OTHER },
                  { "No Finding", LABEL_NO_FINDING },
                  { "healthy", LABEL_NO_FINDING },
                  { "kyphosis", LABEL_UNKNOWN } };

    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        cr_assert_eq(label_of_word(&l, WORDS[i].word, strlen(WORDS[i].word)), WORDS[i].label, "%s",
                     WORDS[i].word);
}

/* "pleural effusion" in the list is what the synonym's table calls Effusion: each word for it must find it. */
Test(labels, that_are_another_word_for_a_known_finding_are_it)
{
    const struct labels l = parsed("Scoliosis,pleural effusion");

    cr_assert_eq(label_of_word(&l, "Effusion", 8), 1);
    cr_assert_eq(label_of_word(&l, "pleural effusions", 17), 1);
}

Test(labels, are_chosen_as_people_write_them)
{
    const struct labels l = parsed("Mass,Pleural_Thickening,Edema");
    static const struct {
        const char *said;
        int meant;
    } ROWS[] = { { "mass", 0 }, { "PLEURAL THICKENING", 1 }, { "oedema", 2 } };
    struct error err = { 0 };
    int label;

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        label = -1;
        cr_assert_eq(labels_choose(&l, ROWS[i].said, "'explain'", &label, &err), ST_OK, "%s", ROWS[i].said);
        cr_assert_eq(label, ROWS[i].meant);
    }
    for (size_t i = 0; i < 4; i++) {
        label = -1;
        cr_assert_eq(labels_choose(&l, (const char *[]){ "", "No Finding", "Hernia", "Massive" }[i], "'x'",
                                   &label, &err),
                     ST_INVALID);
        cr_assert_eq(label, -1);
        cr_assert_str_eq(err.text,
                         "'x' must name one of the model's 3 findings: Mass, Pleural_Thickening or Edema");
    }
}

/* A sentence is short: of many findings it has those that fit, and how many more there are. */
Test(labels, are_listed_as_far_as_they_fit)
{
    struct labels l = { 0 };
    struct error err = { 0 };
    char name[LABEL_SIZE];
    int label;

    for (int i = 0; i < MAX_LABELS; i++) {
        snprintf(name, sizeof name, "finding number %d of a long list", i);
        cr_assert_eq(labels_add(&l, name, strlen(name), &err), ST_OK);
    }
    cr_assert_eq(labels_choose(&l, "Mass", "'x'", &label, &err), ST_INVALID);
    cr_assert_str_eq(err.text,
                     "'x' must name one of the model's 64 findings: finding number 0 of a long list, finding "
                     "number 1 of a long list, finding number 2 of a long list, finding number 3 of a long "
                     "list, finding number 4 of a long list, finding number 5 of a long list and 58 others");
}

/* Brackets and quotes stand around a word; a word of nothing else is not the empty cell. */
Test(labels, of_a_site_are_compared_without_what_stands_around_them)
{
    cr_assert(label_word_is("['Erguss']", strlen("['Erguss']"), "erguss"));
    cr_assert(label_word_is("Erguss (links", strlen("Erguss (links"), "Erguss (links)"));
    cr_assert(label_word_is("", 0, ""));
    cr_assert(!label_word_is("", 0, "[]"));
    cr_assert(!label_word_is("", 0, "''"));
}
