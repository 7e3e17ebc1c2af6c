/* jobs/dataset/mapping.c - a mapping says in JSON what the columns of a table are, docs/data.md shows one. It becomes a
 * format_spec. */
#include "format.h"

#include "cxrd/json.h"
#include "cxrd/plain_text.h"
#include "cxrd/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 1024, MOST_VALUES = 256, MOST_PARTS = 8 };

struct mapping {
    json_t *json; /* whose texts the words are */
    struct column_spec columns[MOST_COLUMNS];
    struct meaning words[MOST_WORDS], values[MOST_VALUES];
    struct format_spec spec;
};

struct making {
    struct mapping *m;
    const struct labels *labels;
    bool partial;
    size_t n_columns, n_words, n_values;
    struct error *err;
    enum status st;
};

/* The first complaint counts. */
PRINTF_LIKE(2, 3) static void refuse(struct making *k, const char *fmt, ...)
{
    char what[256];
    va_list ap;

    if (k->st != ST_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    k->st = error_set(k->err, ST_FORMAT, "the mapping of the table's columns %s", what);
}

static struct column_spec *column_add(struct making *k, enum role role, const char *key, const json_t *name)
{
    struct column_spec *c = &k->m->columns[k->n_columns];

    if (!json_is_string(name) || json_string_length(name) == 0 || json_string_length(name) >= COLUMN_NAME) {
        refuse(k, "must say the name of a column for '%.40s', of 1 to %d bytes", key, COLUMN_NAME - 1);
        return NULL;
    }
    if (k->n_columns == MOST_COLUMNS) {
        refuse(k, "names more than %d columns", MOST_COLUMNS);
        return NULL;
    }
    for (size_t i = 0; i < k->n_columns; i++)
        if (word_is(json_string_value(name), json_string_length(name), k->m->columns[i].name))
            refuse(k, "names the column '%.40s' twice (case, blanks, '_' and '-' make no difference)",
                   k->m->columns[i].name);
    *c = (struct column_spec){ .role = role, .needed = true };
    memcpy(c->name, json_string_value(name), json_string_length(name) + 1);
    k->n_columns++;
    return c;
}

/* A column for each finding that is asked for; others may be named. */
static void finding_columns(struct making *k, const json_t *object)
{
    bool named[MAX_LABELS] = { false };
    const char *finding;
    json_t *column;

    json_object_foreach ((json_t *)object, finding, column) {
        const int label = label_of_word(k->labels, finding, strlen(finding));
        struct column_spec *c;

        if (label == LABEL_NO_FINDING)
            refuse(k, "has '%.40s' among the findings, of which 'no_finding' names the column", finding);
        if (label < 0 || label == LABEL_NO_FINDING)
            continue;
        if (named[label])
            refuse(k, "names two columns of '%s'", k->labels->names[label]);
        named[label] = true;
        c = column_add(k, ROLE_FINDING, finding, column);
        if (c)
            c->finding = (size_t)label;
    }
    for (size_t i = 0; i < k->labels->n; i++)
        if (!named[i] && !k->partial)
            refuse(k, "names no column of '%s'", k->labels->names[i]);
}

static void findings(struct making *k, const json_t *value)
{
    if (json_is_object(value))
        finding_columns(k, value);
    else
        column_add(k, ROLE_FINDINGS, "findings", value);
}

/* One word cannot mean two things: which of them counts would depend on the order in the file. */
static void meaning_add(struct making *k, struct meaning *list, size_t *n, struct meaning added,
                        bool (*same)(const char *text, size_t n, const char *word))
{
    for (size_t i = 0; i < *n; i++)
        if (same(added.word, strlen(added.word), list[i].word))
            refuse(k, "says twice what '%.40s' means", added.word);
    list[(*n)++] = added;
}

/* {"derrame": "Effusion", "normal": "No Finding", "exclude": null} */
static void words(struct making *k, const json_t *object)
{
    const char *word;
    json_t *means;

    if (!json_is_object(object) || json_object_size(object) > MOST_WORDS) {
        refuse(k, "must have in 'words' an object of at most %d words", MOST_WORDS);
        return;
    }
    json_object_foreach ((json_t *)object, word, means) {
        if (!json_is_string(means) && !json_is_null(means))
            refuse(k, "must say for the word '%.40s' a finding or null", word);
        meaning_add(k, k->m->words, &k->n_words, (struct meaning){ word, json_string_value(means) }, word_is);
    }
}

static void values_of(struct making *k, const json_t *list, const char *means)
{
    if (!json_is_array(list)) {
        refuse(k, "must have lists of texts in 'values'");
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text || k->n_values == MOST_VALUES) {
            refuse(k, "must have lists of texts in 'values', %d in all at most", MOST_VALUES);
            return;
        }
        meaning_add(k, k->m->values, &k->n_values, (struct meaning){ text, means }, format_same_value);
    }
}

/* {"positive": ["yes"], "negative": ["no"], "uncertain": ["?"], "missing": ["", "n/a"]} */
static void values(struct making *k, const json_t *object)
{
    static const struct meaning KINDS[] = {
        { "positive", "1" }, { "negative", "0" }, { "uncertain", "-1" }, { "missing", "" }
    };
    const char *kind;
    json_t *list;

    if (!json_is_object(object))
        refuse(k, "must have an object in 'values'");
    json_object_foreach ((json_t *)object, kind, list) {
        size_t i = 0;

        while (i < sizeof KINDS / sizeof KINDS[0] && strcmp(KINDS[i].word, kind) != 0)
            i++;
        if (i < sizeof KINDS / sizeof KINDS[0])
            values_of(k, list, KINDS[i].means);
        else
            refuse(k, "has '%.40s' in 'values', where positive, negative, uncertain and missing stand", kind);
    }
}

static void parts(struct making *k, const json_t *value)
{
    const json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 1 || n > MOST_PARTS)
        refuse(k, "must have a whole number from 1 to %d in 'picture_parts'", MOST_PARTS);
    else
        k->m->spec.name_parts = (size_t)n;
}

static void other_words(struct making *k, const json_t *value)
{
    const char *text = json_string_value(value);

    if (!text || (strcmp(text, "refuse") != 0 && strcmp(text, "ignore") != 0))
        refuse(k, "must have \"refuse\" or \"ignore\" in 'other_words'");
    else
        k->m->spec.open = strcmp(text, "ignore") == 0;
}

/* A member that names one column, or ROLE_NONE. */
static enum role role_of(const char *key)
{
    static const struct {
        const char *key;
        enum role role;
    } ROLES[] = { { "picture", ROLE_PICTURE },
                  { "patient", ROLE_PATIENT },
                  { "age", ROLE_AGE },
                  { "birth_year", ROLE_BIRTH },
                  { "sex", ROLE_SEX },
                  { "view", ROLE_VIEW },
                  { "reader", ROLE_READER },
                  { "follow_up", ROLE_FOLLOW_UP },
                  { "scanner", ROLE_SCANNER },
                  { "plane", ROLE_PLANE },
                  { "no_finding", ROLE_NO_FINDING } };

    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++)
        if (strcmp(ROLES[i].key, key) == 0)
            return ROLES[i].role;
    return ROLE_NONE;
}

static void member(struct making *k, const char *key, const json_t *value)
{
    static const struct {
        const char *key;
        void (*read)(struct making *k, const json_t *value);
    } READERS[] = { { "findings", findings },
                    { "words", words },
                    { "values", values },
                    { "picture_parts", parts },
                    { "other_words", other_words } };
    const enum role role = role_of(key);

    if (role != ROLE_NONE) {
        column_add(k, role, key, value);
        return;
    }
    for (size_t i = 0; i < sizeof READERS / sizeof READERS[0]; i++)
        if (strcmp(READERS[i].key, key) == 0) {
            READERS[i].read(k, value);
            return;
        }
    refuse(k, "has no member '%.40s' to be understood", key);
}

static void make(struct making *k)
{
    struct mapping *m = k->m;
    const char *key;
    json_t *value;

    m->spec.name_parts = 1;
    m->spec.n_files = 1;
    m->spec.jpeg = true;
    if (!json_is_object(m->json))
        refuse(k, "must be a JSON object");
    json_object_foreach (m->json, key, value)
        member(k, key, value);
    if (!json_object_get(m->json, "picture"))
        refuse(k, "names no column for 'picture'");
    if (!json_object_get(m->json, "findings"))
        refuse(k, "names no column for 'findings'");
    if (json_is_object(json_object_get(m->json, "findings")) && json_object_get(m->json, "words"))
        refuse(k, "has 'words', which stand in lists, and a column for each finding");
    m->spec.alone = !json_object_get(m->json, "patient");
    m->spec.votes = json_object_get(m->json, "reader") != NULL;
    m->spec.file[0] = (struct file_spec){ m->columns, k->n_columns, false };
    m->spec.meanings = m->words;
    m->spec.n_meanings = k->n_words;
    m->spec.values = m->values;
    m->spec.n_values = k->n_values;
}

enum status mapping_read(const char *text, size_t n, const struct labels *labels, bool partial,
                         struct mapping **ret_mapping, struct error *err)
{
    const struct plain_text plain = plain_text_of(text, n);
    struct mapping *m = calloc(1, sizeof *m);
    struct making k = { .m = m, .labels = labels, .partial = partial, .err = err };
    json_error_t why;
    enum status st;

    if (!m)
        return error_nomem(err);
    st = json_read(plain.at, plain.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &m->json, &why);
    if (st == ST_OK)
        make(&k);
    else if (st == ST_NOMEM)
        k.st = error_nomem(err);
    else
        refuse(&k, "is no JSON: line %d: %.120s", why.line, why.text);
    if (k.st != ST_OK) {
        mapping_free(m);
        return k.st;
    }
    *ret_mapping = m;
    return ST_OK;
}

const struct format_spec *mapping_spec(const struct mapping *m) { return &m->spec; }

void mapping_free(struct mapping *m)
{
    if (!m)
        return;
    json_decref(m->json);
    free(m);
}
