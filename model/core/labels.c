/* model/core/labels.c - see cxrd/labels.h. */
#include "cxrd/labels.h"

#include "cxrd/words.h"

#include <string.h>

#define LABEL_LIST(X)       \
    X("Atelectasis")        \
    X("Cardiomegaly")       \
    X("Consolidation")      \
    X("Edema")              \
    X("Effusion")           \
    X("Emphysema")          \
    X("Fibrosis")           \
    X("Hernia")             \
    X("Infiltration")       \
    X("Mass")               \
    X("Nodule")             \
    X("Pleural_Thickening") \
    X("Pneumonia")          \
    X("Pneumothorax")

const char *const LABELS[N_LABELS] = {
#define X(name) name,
    LABEL_LIST(X)
#undef X
};

int label_index(const char *name, size_t n)
{
    for (int i = 0; i < N_LABELS; i++)
        if (strlen(LABELS[i]) == n && memcmp(LABELS[i], name, n) == 0)
            return i;
    return -1;
}

/* The places of LABEL_LIST. */
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

int label_of_word(const char *word, size_t n)
{
    for (int i = 0; i < N_LABELS; i++)
        if (word_is(word, n, LABELS[i]))
            return i;
    if (word_is(word, n, "No Finding"))
        return LABEL_NO_FINDING;
    for (size_t i = 0; i < N_LABEL_SYNONYMS; i++)
        if (word_is(word, n, LABEL_SYNONYMS[i].word))
            return LABEL_SYNONYMS[i].label;
    return LABEL_UNKNOWN;
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

struct label_words label_words_of(const char *text, size_t n)
{
    return (struct label_words){ .at = text, .end = text + n };
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
        w->label = label_of_word(w->word, w->n);
        w->seen++;
        return true;
    }
    return false;
}

const char *labels_joined(void)
{
#define X(name) "," name
    return &LABEL_LIST(X)[1];
#undef X
}
