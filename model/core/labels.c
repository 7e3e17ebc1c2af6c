/* model/core/labels.c - see cxrd/labels.h. */
#include "cxrd/labels.h"

#include "cxrd/utf8.h"
#include "cxrd/words.h"

#include <stdio.h>
#include <string.h>

const struct labels NIH_LABELS = {
    .n = N_NIH_LABELS,
    .names = { "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
               "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax" }
};

/* ---- a list of names ---- */

/* The fault of a name, or NULL. */
static const char *name_fault(const char *name, size_t n)
{
    const unsigned char first = n > 0 ? (unsigned char)name[0] : 0;

    if (n == 0)
        return "it is empty";
    if (n >= LABEL_SIZE)
        return "it is too long";
    if (!(first >= 0x80 || ((first | 0x20) >= 'a' && (first | 0x20) <= 'z') ||
          (first >= '0' && first <= '9')))
        return "it must begin with a letter or a digit";
    for (size_t i = 0, step; i < n; i += step) {
        step = utf8_character(name + i);
        if (step == 0 || i + step > n || utf8_steering(name + i, n - i) ||
            strchr(",;|\"'<>&\\/()[]{}", name[i]))
            return "it has a character that cannot stand in a finding's name";
    }
    if (name[n - 1] == ' ')
        return "it ends in a blank";
    return NULL;
}

enum status labels_add(struct labels *l, const char *name, size_t n, struct error *err)
{
    const char *fault = name_fault(name, n);

    if (l->n == MAX_LABELS)
        return error_set(err, ST_INVALID, "there are more than %d findings", MAX_LABELS);
    if (!fault) {
        const int known = label_of_word(l, name, n);

        if (known == LABEL_NO_FINDING)
            fault = "it means that there is no finding";
        else if (word_is(name, n, "none"))
            fault = "it means that there is no earlier film";
        else if (known >= 0)
            fault = "it is there twice";
    }
    if (fault)
        return error_set(err, ST_INVALID, "finding %zu, '%.*s': %s", l->n + 1, n < 40 ? (int)n : 40, name,
                         fault);
    memcpy(l->names[l->n], name, n);
    l->names[l->n++][n] = '\0';
    return ST_OK;
}

enum status labels_parse(const char *joined, struct labels *ret, struct error *err)
{
    struct labels l = { 0 };
    enum status st = ST_OK;

    for (const char *at = joined, *stop; at && st == ST_OK; at = *stop ? stop + 1 : NULL) {
        stop = at + strcspn(at, ",");
        st = labels_add(&l, at, (size_t)(stop - at), err);
    }
    if (st == ST_OK)
        *ret = l;
    return st;
}

const char *labels_text(const struct labels *l, char ret_text[LABELS_TEXT_SIZE])
{
    size_t used = 0;

    for (size_t i = 0; i < l->n; i++) {
        const size_t n = strlen(l->names[i]);

        memcpy(ret_text + used, l->names[i], n);
        used += n;
        ret_text[used++] = i + 1 < l->n ? ',' : '\0';
    }
    return ret_text;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
    bool equal = a->n == b->n;

    for (size_t i = 0; i < a->n && equal; i++)
        equal = strcmp(a->names[i], b->names[i]) == 0;
    return equal;
}

int labels_find(const struct labels *l, const char *name, size_t n)
{
    for (size_t i = 0; i < l->n; i++)
        if (strlen(l->names[i]) == n && memcmp(l->names[i], name, n) == 0)
            return (int)i;
    return -1;
}

/* "Mass, Nodule or Pneumonia", or "Mass, Nodule and 62 others". */
static void list_names(const struct labels *l, char *ret, size_t size)
{
    enum { OTHERS = sizeof " and 64 others" };
    size_t used = 0, i = 0;

    for (; i < l->n; i++) {
        const char *before = i == 0 ? "" : i + 1 < l->n ? ", " : " or ";
        const size_t n = strlen(before) + strlen(l->names[i]);

        if (used + n + OTHERS > size)
            break;
        used += (size_t)snprintf(ret + used, size - used, "%s%s", before, l->names[i]);
    }
    if (i < l->n)
        snprintf(ret + used, size - used, " and %zu others", l->n - i);
}

enum status labels_choose(const struct labels *l, const char *name, const char *field, int *ret,
                          struct error *err)
{
    char names[240];
    const int label = label_of_word(l, name, strlen(name));

    if (label >= 0 && label != LABEL_NO_FINDING) {
        *ret = label;
        return ST_OK;
    }
    list_names(l, names, sizeof names);
    if (l->n == 1)
        return error_set(err, ST_INVALID, "%s must name the model's only finding, %s", field, names);
    return error_set(err, ST_INVALID, "%s must name one of the model's %zu findings: %s", field, l->n, names);
}

/* The places in NIH_LABELS. */
enum {
    ATELECTASIS,
    CARDIOMEGALY,
    CONSOLIDATION,
    EDEMA,
    EFFUSION,
    EMPHYSEMA,
    FIBROSIS,
    INFILTRATION = 8,
    MASS,
    NODULE,
    PLEURAL_THICKENING,
    PNEUMOTHORAX = 13
};

const struct label_synonym LABEL_SYNONYMS[] = {
    { "atelectases", ATELECTASIS },
    { "pulmonary atelectasis", ATELECTASIS },
    { "enlarged heart", CARDIOMEGALY },
    { "cardiac enlargement", CARDIOMEGALY },
    { "consolidations", CONSOLIDATION },
    { "pulmonary consolidation", CONSOLIDATION },
    { "lung consolidation", CONSOLIDATION },
    { "oedema", EDEMA },
    { "pulmonary edema", EDEMA },
    { "pulmonary oedema", EDEMA },
    { "lung edema", EDEMA },
    { "lung oedema", EDEMA },
    { "effusions", EFFUSION },
    { "pleural effusion", EFFUSION },
    { "pleural effusions", EFFUSION },
    { "pulmonary emphysema", EMPHYSEMA },
    { "lung emphysema", EMPHYSEMA },
    { "pulmonary fibrosis", FIBROSIS },
    { "lung fibrosis", FIBROSIS },
    { "infiltrate", INFILTRATION },
    { "infiltrates", INFILTRATION },
    { "infiltrations", INFILTRATION },
    { "pulmonary infiltrate", INFILTRATION },
    { "pulmonary infiltrates", INFILTRATION },
    { "lung infiltrate", INFILTRATION },
    { "lung infiltrates", INFILTRATION },
    { "masses", MASS },
    { "lung mass", MASS },
    { "pulmonary mass", MASS },
    { "nodules", NODULE },
    { "lung nodule", NODULE },
    { "lung nodules", NODULE },
    { "pulmonary nodule", NODULE },
    { "pulmonary nodules", NODULE },
    { "thickened pleura", PLEURAL_THICKENING },
    { "thickening of the pleura", PLEURAL_THICKENING },
    { "pneumothoraces", PNEUMOTHORAX },
    { "no findings", LABEL_NO_FINDING },
    { "normal", LABEL_NO_FINDING },
    { "normal chest", LABEL_NO_FINDING },
    { "no abnormality", LABEL_NO_FINDING },
    { "no abnormalities", LABEL_NO_FINDING },
    { "healthy", LABEL_NO_FINDING },
};
const size_t N_LABEL_SYNONYMS = sizeof LABEL_SYNONYMS / sizeof LABEL_SYNONYMS[0];

/* The word's meaning: a finding of NIH's, LABEL_NO_FINDING, or LABEL_UNKNOWN. */
static int meaning_of(const char *word, size_t n)
{
    for (size_t i = 0; i < NIH_LABELS.n; i++)
        if (word_is(word, n, NIH_LABELS.names[i]))
            return (int)i;
    if (word_is(word, n, "No Finding"))
        return LABEL_NO_FINDING;
    for (size_t i = 0; i < N_LABEL_SYNONYMS; i++)
        if (word_is(word, n, LABEL_SYNONYMS[i].word))
            return LABEL_SYNONYMS[i].label;
    return LABEL_UNKNOWN;
}

static int find_word(const struct labels *l, const char *word, size_t n)
{
    for (size_t i = 0; i < l->n; i++)
        if (word_is(word, n, l->names[i]))
            return (int)i;
    return LABEL_UNKNOWN;
}

int label_of_word(const struct labels *l, const char *word, size_t n)
{
    int meaning, named = find_word(l, word, n);

    if (named >= 0)
        return named;
    meaning = meaning_of(word, n);
    if (meaning == LABEL_UNKNOWN || meaning == LABEL_NO_FINDING)
        return meaning;
    named = find_word(l, NIH_LABELS.names[meaning], strlen(NIH_LABELS.names[meaning]));
    for (size_t i = 0; i < l->n && named < 0; i++) /* the list's name may be a synonym itself */
        if (meaning_of(l->names[i], strlen(l->names[i])) == meaning)
            named = (int)i;
    return named >= 0 ? named : LABEL_OTHER;
}

static bool is_around(const char *text, size_t n)
{
    return n > 0 && *text && strchr(" \t\r\n'\"[](){}", *text);
}

/* Without what may stand around a word. */
static void trim(const char **text, size_t *n)
{
    while (is_around(*text, *n))
        (*text)++, (*n)--;
    while (is_around(*text + *n - 1, *n))
        (*n)--;
}

bool label_word_is(const char *text, size_t n, const char *word)
{
    size_t m = strlen(word);
    const bool said = m > 0;

    trim(&text, &n);
    trim(&word, &m);
    return (m > 0 || !said) && words_equal(text, n, word, m); /* "[]" is no empty cell */
}

struct label_words label_words_of(const struct labels *labels, const char *text, size_t n)
{
    return (struct label_words){ .labels = labels, .at = text, .end = text + n };
}

bool label_words_next(struct label_words *w)
{
    while (w->at && w->at <= w->end) {
        const char *stop = w->at;

        while (stop < w->end && *stop != '|' && *stop != ';' && *stop != ',')
            stop++;
        w->word = w->at;
        w->n = (size_t)(stop - w->at);
        w->at = stop < w->end ? stop + 1 : NULL;
        trim(&w->word, &w->n);
        if (w->n == 0 && (w->at || w->seen > 0))
            continue; /* nothing between two separators */
        w->label = label_of_word(w->labels, w->word, w->n);
        w->seen++;
        return true;
    }
    return false;
}
