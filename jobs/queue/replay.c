/* jobs/queue/replay.c - see replay.h. */
#include "replay.h"

#include "cxrd/digest.h"

#include <stdio.h>
#include <string.h>

/* Fields that a replay may say for itself. */
static bool is_own(const char *name)
{
    static const char *const OWN[] = { "replay_of",
                                       "promote",
                                       "promote_margin",
                                       "promote_max_drop",
                                       "promote_narrower",
                                       "promote_shadow_pictures",
                                       "promote_shadow_days",
                                       "promote_shadow_discordance",
                                       "webhook" };

    for (size_t i = 0; i < sizeof OWN / sizeof OWN[0]; i++)
        if (strcmp(name, OWN[i]) == 0)
            return true;
    return false;
}

static const char *digest_of(const json_t *job)
{
    return json_string_value(json_object_get(job, "weights_sha256"));
}

void replay_resolve(struct store *s, const json_t *request, struct train_config *c, json_t *errors)
{
    struct train_config original;
    struct error err;
    json_t *job = NULL, *value;
    const char *name;

    if (!c->replay_of[0])
        return;
    json_object_foreach ((json_t *)request, name, value)
        if (!is_own(name))
            config_error(errors, name, "comes from the job that is replayed and cannot be given beside it");
    if (store_job_get(s, c->replay_of, &job, &err) != ST_OK) {
        config_error(errors, "replay_of", "%s", err.text);
        return;
    }
    if (!digest_of(job))
        config_error(errors, "replay_of", "the job has no weights to compare with");
    else if (train_config_parse_recorded(json_object_get(job, "config"), &original, errors) == ST_OK) {
        memcpy(original.replay_of, c->replay_of, sizeof original.replay_of);
        memcpy(original.webhook, c->webhook, sizeof original.webhook);
        original.promote = c->promote;
        original.promote_margin = c->promote_margin;
        original.promote_max_drop = c->promote_max_drop;
        original.promote_narrower = c->promote_narrower;
        original.promote_shadow_pictures = c->promote_shadow_pictures;
        original.promote_shadow_days = c->promote_shadow_days;
        original.promote_shadow_discordance = c->promote_shadow_discordance;
        *c = original;
    }
    json_decref(job);
}

json_t *replay_original(struct store *s, const struct train_config *c)
{
    struct error err;
    json_t *job = NULL;

    return c->replay_of[0] && store_job_get(s, c->replay_of, &job, &err) == ST_OK ? job : NULL;
}

void replay_tell(struct store *s, const struct train_config *c, const struct model *kept, json_t *record)
{
    char digest[DIGEST_TEXT_SIZE] = "";
    json_t *job = replay_original(s, c);
    const char *expected = digest_of(job);

    if (digest_bytes(model_params(kept), model_network(kept)->n_params * sizeof(float), digest) != ST_OK)
        digest[0] = '\0';
    json_object_set_new(record, "weights_sha256", digest[0] ? json_string(digest) : json_null());
    if (c->replay_of[0])
        json_object_set_new(record, "replay",
                            json_pack("{s:s,s:s?,s:b}", "of", c->replay_of, "weights_sha256", expected,
                                      "matched", expected && strcmp(expected, digest) == 0));
    json_decref(job);
}
