/* jobs/site/profiles.c - see cxrd/profiles.h. */
#include "cxrd/profiles.h"

#include "cxrd/card.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted {
    struct profile profile; /* first: a struct profile * is a struct counted * */
    atomic_size_t references;
};

/* The choice for a model. */
struct choice {
    struct choice *next;
    char model[ID_SIZE], id[ID_SIZE]; /* id: of the profile */
    struct profile *profile;          /* NULL: it cannot be used */
    enum status fault;                /* then, */
    char why[200];                    /* and in words */
};

struct profiles {
    struct store *store;
    struct signers *signers;  /* NULL: nobody need sign */
    pthread_mutex_t changing; /* held while a choice is made in the store and here; taken before `lock` */
    pthread_mutex_t lock;     /* guards `choices` */
    struct choice *choices;
};

static struct profile *profile_hold(struct profile *p)
{
    atomic_fetch_add_explicit(&((struct counted *)p)->references, 1, memory_order_relaxed);
    return p;
}

void profile_release(struct profile *p)
{
    struct counted *h = (struct counted *)p;

    if (h && atomic_fetch_sub_explicit(&h->references, 1, memory_order_acq_rel) == 1)
        free(h);
}

/* ---- from the store ---- */

/* Read a document by its canonical bytes, which are what is signed.
 *   ret_text  for free() */
static enum status document_read(const json_t *document, const json_t *card, char **ret_text,
                                 struct site_profile *ret, struct error *err)
{
    struct labels labels;
    struct site_profile p;
    const char *sha256 = json_string_value(json_object_get(card, "sha256"));
    json_t *again = NULL;
    char *text = NULL;
    enum status st =
        sha256 ? card_labels(card, &labels, err) : error_set(err, ST_IO, "the model's card cannot be read");

    if (st == ST_OK && !json_is_object(document))
        st = error_set(err, ST_INVALID, "'profile' is not a JSON object");
    if (st == ST_OK && (!(text = site_profile_canonical(document)) ||
                        json_read(text, strlen(text), 0, &again, NULL) == ST_NOMEM))
        st = error_nomem(err);
    if (st == ST_OK)
        st = site_profile_parse(again, &labels, sha256, &p, err);
    json_decref(again);
    if (st != ST_OK) {
        free(text);
        return st;
    }
    *ret = p;
    *ret_text = text;
    return ST_OK;
}

static enum status verify(const struct profiles *p, const char *text, const char *signature,
                          struct error *err)
{
    struct error why;
    const enum status st =
        signers_verify(p->signers, SIGNED_PROFILE, text, strlen(text), signature, NULL, &why);

    return st == ST_OK ? ST_OK : error_set(err, st, "the profile cannot be used: %s", why.text);
}

/* A stored profile, ready to be in force. */
static enum status load(struct profiles *p, const json_t *stored, struct profile **ret, struct error *err)
{
    const char *id = json_string_value(json_object_get(stored, "id"));
    struct counted *h = calloc(1, sizeof *h);
    json_t *card = NULL;
    char *text = NULL;
    enum status st =
        h ? store_model_get(p->store, json_string_value(json_object_get(stored, "model")), &card, err)
          : error_nomem(err);

    if (st == ST_OK)
        st = document_read(json_object_get(stored, "profile"), card, &text, &h->profile.site, err);
    if (st == ST_OK && p->signers)
        st = verify(p, text, json_string_value(json_object_get(stored, "signature")), err);
    free(text);
    json_decref(card);
    if (st != ST_OK) {
        free(h);
        return st;
    }
    atomic_init(&h->references, 1);
    snprintf(h->profile.id, ID_SIZE, "%s", id);
    *ret = &h->profile;
    return ST_OK;
}

/* ---- what is chosen ---- */

/* With `lock` held: where the choice of a model is, or would be. */
static struct choice **choice_at(struct profiles *p, const char *model)
{
    struct choice **at = &p->choices;

    while (*at && strcmp((*at)->model, model) != 0)
        at = &(*at)->next;
    return at;
}

static struct choice *choice_new(const char *model, const char *id)
{
    struct choice *c = calloc(1, sizeof *c);

    if (c) {
        snprintf(c->model, sizeof c->model, "%s", model);
        snprintf(c->id, sizeof c->id, "%s", id);
    }
    return c;
}

static void choice_free(struct choice *c)
{
    if (c)
        profile_release(c->profile);
    free(c);
}

/* Put a choice, which is taken over, in the place of the one before; NULL: there is none any more. */
static void choose(struct profiles *p, const char *model, struct choice *c)
{
    struct choice **at, *before;

    pthread_mutex_lock(&p->lock);
    at = choice_at(p, model);
    before = *at;
    if (c) {
        c->next = before ? before->next : NULL;
        *at = c;
    } else if (before) {
        *at = before->next;
    }
    pthread_mutex_unlock(&p->lock);
    choice_free(before);
}

enum status profiles_of(struct profiles *p, const char *model, struct profile **ret, struct error *err)
{
    enum status st = ST_OK;
    const struct choice *c;

    *ret = NULL;
    pthread_mutex_lock(&p->lock);
    c = *choice_at(p, model);
    if (c && c->profile)
        *ret = profile_hold(c->profile);
    else if (c)
        st = error_set(err, ST_BUSY, "%s", c->why);
    pthread_mutex_unlock(&p->lock);
    return st;
}

/* One that was chosen before this server began, or by another. */
static enum status begin(struct profiles *p, const char *model, const char *id, struct error *err)
{
    struct choice *c = choice_new(model, id);
    json_t *stored = NULL;
    struct error why = { 0 };
    enum status st = c ? store_profile_get(p->store, id, &stored, &why) : ST_NOMEM;

    if (st == ST_OK)
        st = load(p, stored, &c->profile, &why);
    json_decref(stored);
    if (st == ST_NOMEM) {
        choice_free(c);
        return error_nomem(err);
    }
    if (st != ST_OK) {
        c->fault = st;
        snprintf(c->why, sizeof c->why, "%.199s", why.text);
        log_event(LOG_ERROR,
                  "the active profile cannot be used: its model does not answer until another is chosen",
                  json_pack("{s:s,s:s,s:s}", "model", model, "profile", id, "detail", why.text));
    }
    choose(p, model, c);
    return ST_OK;
}

enum status profiles_open(struct store *store, struct signers *signers, struct profiles **ret,
                          struct error *err)
{
    struct profiles *p = calloc(1, sizeof *p);
    json_t *choices = NULL, *choice;
    size_t i;
    enum status st;

    if (!p) {
        signers_free(signers);
        return error_nomem(err);
    }
    p->store = store;
    p->signers = signers;
    pthread_mutex_init(&p->changing, NULL);
    pthread_mutex_init(&p->lock, NULL);
    st = store_profile_choices(store, &choices, err);
    json_array_foreach (choices, i, choice)
        if (st == ST_OK)
            st = begin(p, json_string_value(json_object_get(choice, "model")),
                       json_string_value(json_object_get(choice, "profile")), err);
    json_decref(choices);
    if (st != ST_OK) {
        profiles_close(p);
        return st;
    }
    *ret = p;
    return ST_OK;
}

/* ---- what others choose ---- */

/* Whether this profile is in force for that model. */
static bool is_chosen(struct profiles *p, const char *model, const char *id)
{
    const struct choice *c;
    bool is;

    pthread_mutex_lock(&p->lock);
    c = *choice_at(p, model);
    is = c && c->profile && strcmp(c->id, id) == 0;
    pthread_mutex_unlock(&p->lock);
    return is;
}

/* With `changing` held. A choice that cannot be read now may be readable in a moment; until then its model does not answer. */
static enum status take_up(struct profiles *p, const char *model, const char *id, struct error *err)
{
    struct choice *c;
    enum status st;

    if (is_chosen(p, model, id))
        return ST_OK;
    st = begin(p, model, id, err);
    c = *choice_at(p, model); /* which changes with `changing` held alone */
    return st == ST_OK && c->fault == ST_IO ? error_set(err, ST_IO, "%s", c->why) : st;
}

/* With `changing` held: forget the choices that the store no longer has. */
static void drop_others(struct profiles *p, const json_t *choices)
{
    for (struct choice *c = p->choices, *next; c; c = next) {
        const json_t *choice;
        bool is = false;
        size_t i;

        next = c->next;
        json_array_foreach (choices, i, choice)
            is |= strcmp(json_string_value(json_object_get(choice, "model")), c->model) == 0;
        if (!is)
            choose(p, c->model, NULL);
    }
}

enum status profiles_take_up(struct profiles *p, struct error *err)
{
    json_t *choices = NULL, *choice;
    size_t i;
    enum status st;

    pthread_mutex_lock(&p->changing);
    st = store_profile_choices(p->store, &choices, err);
    if (st == ST_OK)
        drop_others(p, choices);
    json_array_foreach (choices, i, choice)
        if (st == ST_OK)
            st = take_up(p, json_string_value(json_object_get(choice, "model")),
                         json_string_value(json_object_get(choice, "profile")), err);
    pthread_mutex_unlock(&p->changing);
    json_decref(choices);
    return st;
}

void profiles_forget(struct profiles *p, const char *model)
{
    pthread_mutex_lock(
        &p->changing); /* a choice that the store took before it lost the model is here by then */
    choose(p, model, NULL);
    pthread_mutex_unlock(&p->changing);
}

void profiles_close(struct profiles *p)
{
    if (!p)
        return;
    while (p->choices)
        choose(p, p->choices->model, NULL);
    signers_free(p->signers);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->changing);
    free(p);
}

/* ---- changes ---- */

/* The latest expiry counts from `created_at`, so that must not lie in the future, but for a day that two clocks may differ by.
 * Errors: ST_INVALID. */
static enum status made_check(const struct site_profile *p, struct error *err)
{
    char tomorrow[CLOCK_TEXT_SIZE];

    if (strcmp(p->created_at, clock_utc_in(1, tomorrow)) <= 0)
        return ST_OK;
    return error_set(err, ST_INVALID,
                     "the profile was made at %s, which is more than a day after this server's time: one "
                     "of the two clocks is wrong",
                     p->created_at);
}

enum status profiles_add(struct profiles *p, const json_t *card, const json_t *document, const char *name,
                         const char *signature, bool imported, json_t **ret, struct error *err)
{
    struct new_profile new = { .model = json_string_value(json_object_get(card, "id")),
                               .name = name,
                               .signature = signature };
    struct site_profile read;
    char id[ID_SIZE], *text = NULL;
    enum status st = document_read(document, card, &text, &read, err);

    if (st == ST_OK && imported)
        st = made_check(&read, err);
    if (st == ST_OK && signature)
        st = signature_check(signature, err);
    if (st == ST_OK && imported && p->signers)
        st = verify(p, text, signature, err);
    if (st == ST_OK) {
        id_new(id);
        new.id = id;
        new.document = text;
        st = store_profile_add(p->store, &new, err);
    }
    free(text);
    return st == ST_OK ? store_profile_get(p->store, id, ret, err) : st;
}

/* With `changing` held. */
static enum status activate(struct profiles *p, const char *id, struct error *err)
{
    struct choice *c = NULL;
    json_t *stored = NULL;
    enum status st = store_profile_get(p->store, id, &stored, err);

    if (st == ST_OK && !(c = choice_new(json_string_value(json_object_get(stored, "model")), id)))
        st = error_nomem(err);
    if (st == ST_OK)
        st = load(p, stored, &c->profile, err);
    json_decref(stored);
    if (st == ST_OK && site_profile_expired(&c->profile->site))
        st = error_set(err, ST_CONFLICT, "the profile has expired at %s: validate anew",
                       c->profile->site.expires_at);
    if (st == ST_OK)
        st = store_profile_activate(p->store, id, err);
    if (st != ST_OK) {
        choice_free(c);
        return st;
    }
    choose(p, c->model, c);
    return ST_OK;
}

enum status profiles_activate(struct profiles *p, const char *id, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&p->changing);
    st = activate(p, id, err);
    pthread_mutex_unlock(&p->changing);
    return st == ST_INVALID || st == ST_FORMAT ? ST_CONFLICT
                                               : st; /* what is stored is a state of this server */
}

enum status profiles_deactivate(struct profiles *p, const char *id, struct error *err)
{
    json_t *stored = NULL;
    enum status st;

    pthread_mutex_lock(&p->changing);
    st = store_profile_get(p->store, id, &stored, err);
    if (st == ST_OK)
        st = store_profile_deactivate(p->store, id, err);
    if (st == ST_OK)
        choose(p, json_string_value(json_object_get(stored, "model")), NULL);
    pthread_mutex_unlock(&p->changing);
    json_decref(stored);
    return st;
}

enum status profiles_rollback(struct profiles *p, const char *model, char ret_id[ID_SIZE], struct error *err)
{
    enum status st;

    pthread_mutex_lock(&p->changing);
    st = store_profile_rollback(p->store, model, ret_id, err);
    if (st == ST_OK && !ret_id[0])
        choose(p, model, NULL);
    else if (st == ST_OK)
        st = begin(p, model, ret_id, err);
    pthread_mutex_unlock(&p->changing);
    return st;
}
