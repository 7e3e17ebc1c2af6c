/* jobs/queue/promote.c - see promote.h. */
#include "promote.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"

/* Activate it if `active` is still the one that answers, "" for none. */
static enum status activate(struct registry *registry, const struct claim *by, const char *id,
                            const char *active, bool *ret_promoted, char reason[REASON_TEXT],
                            struct error *err)
{
    const enum status st = registry_activate_after(registry, id, active, by, err);

    *ret_promoted = st == ST_OK;
    if (st == ST_CONFLICT)
        snprintf(reason, REASON_TEXT, "another model became active meanwhile");
    else if (st == ST_UNUSABLE) /* in this server's precision */
        snprintf(reason, REASON_TEXT, "%s", err->text);
    else
        return st;
    return ST_OK;
}

/* It answers, good or not: a server without a model would answer nobody. */
static void first_reason(const struct train_result *result, char reason[REASON_TEXT])
{
    if (train_beats_base_rates(result))
        snprintf(reason, REASON_TEXT, "no model was active");
    else
        snprintf(reason, REASON_TEXT,
                 "no model was active, and a server without one takes the first, though its validation loss, "
                 "%.4f, is not "
                 "below the %.4f of predicting the base rates for everyone",
                 result->validation_loss, result->baseline.loss);
}

/* Why there is no comparison to decide by. */
static const char *not_compared(enum incumbent incumbent)
{
    if (incumbent == INCUMBENT_NONE)
        return "the active model was not there when they were to be compared";
    if (incumbent == INCUMBENT_OTHER_FINDINGS)
        return "the active model answers for other findings, so that the two cannot be compared: activate it "
               "by "
               "hand, or ask for 'promote' \"always\"";
    return "the active model could not be scored on the same rows";
}

/*   ret_shadow  it would take the active one's place, and is to be tried in its shadow first */
static enum status decide(struct registry *registry, const struct claim *by, const struct train_config *c,
                          const struct train_result *result, const char *id, const char *active,
                          bool *ret_promoted, bool *ret_shadow, char reason[REASON_TEXT], struct error *err)
{
    *ret_promoted = *ret_shadow = false;
    if (!active[0]) {
        first_reason(result, reason);
        return activate(registry, by, id, active, ret_promoted, reason, err);
    }
    switch ((enum promote)c->promote) {
    case PROMOTE_MANUAL: snprintf(reason, REASON_TEXT, "nobody asked for it"); return ST_OK;
    case PROMOTE_ALWAYS:
        snprintf(reason, REASON_TEXT, "it was asked for, whatever the figures say");
        return activate(registry, by, id, active, ret_promoted, reason, err);
    case PROMOTE_IF_BETTER:
    case PROMOTE_AFTER_SHADOW: break;
    }
    if (result->incumbent != INCUMBENT_SCORED)
        snprintf(reason, REASON_TEXT, "%s", not_compared(result->incumbent));
    else if (!train_beats_base_rates(result))
        snprintf(reason, REASON_TEXT,
                 "its validation loss, %.4f, is not below the %.4f of predicting the base rates for everyone",
                 result->validation_loss, result->baseline.loss);
    else if (promotion_decide(c, &result->comparison, reason)) {
        *ret_shadow = c->promote == PROMOTE_AFTER_SHADOW;
        return *ret_shadow ? ST_OK : activate(registry, by, id, active, ret_promoted, reason, err);
    }
    return ST_OK;
}

/* Put the model into the shadow of the active one, and the outcome into the record. */
static enum status try_in_shadow(struct runner *r, const char *job, const struct train_config *c,
                                 const char *model, const char *active, json_t *promotion, struct error *err)
{
    struct shadow_promotion p = { .pictures = (uint64_t)c->promote_shadow_pictures,
                                  .discordance = c->promote_shadow_discordance };
    char now[CLOCK_TEXT_SIZE];
    struct error why = { 0 };
    enum status st;

    snprintf(p.job, sizeof p.job, "%s", job);
    snprintf(p.model, sizeof p.model, "%s", model);
    snprintf(p.active, sizeof p.active, "%s", active);
    clock_utc_in(c->promote_shadow_days, p.until);
    st = r->options.shadow ? r->options.shadow(r->options.arg, &p, &why)
                           : error_set(&why, ST_CONFLICT, "no model has a shadow here");
    if (st == ST_NOMEM || st == ST_IO) {
        *err = why;
        return st;
    }
    clock_utc(now);
    json_object_set_new(
        promotion, "shadow",
        json_pack("{s:s,s:o,s:s,s:s,s:I,s:f,s:n,s:o}", "state", st == ST_OK ? "waiting" : "refused", "reason",
                  st == ST_OK ? json_null() : json_string(why.text), "since", now, "until", p.until,
                  "pictures", (json_int_t)p.pictures, "max_discordance", p.discordance, "seen", "ended_at",
                  st == ST_OK ? json_null() : json_string(now)));
    return ST_OK;
}

enum status job_promote(struct runner *r, const char *job, const struct train_config *c,
                        const struct train_result *result, const char *incumbent, json_t *record,
                        bool *ret_promoted, struct error *err)
{
    struct registry *registry = r->registry;
    const char *id = json_string_value(json_object_get(record, "model"));
    struct loaded_model *active = registry_active(registry);
    struct registry_fault fault;
    const bool compared = result->incumbent == INCUMBENT_SCORED,
               broken = !active && registry_fault(registry, &fault);
    char reason[REASON_TEXT] = "", chosen[ID_SIZE] = "";
    const char *before = compared ? incumbent : active ? active->id : broken ? fault.model : chosen;
    bool shadow;
    json_t *promotion;
    /* One of several servers that has lost touch with the store has no model that answers, though one is chosen. */
    enum status st = active || broken ? ST_OK : store_active(r->store, chosen, err);

    if (st == ST_OK)
        st = decide(registry, &r->running, c, result, id, before, ret_promoted, &shadow, reason, err);

    if (st == ST_OK) {
        promotion = promotion_json(c, *ret_promoted, reason, compared ? incumbent : NULL, result);
        json_object_set_new(promotion, "shadow", json_null());
        json_object_set_new(record, "promotion", promotion);
        if (shadow)
            st = try_in_shadow(r, job, c, id, before, promotion, err);
    }
    loaded_model_release(active);
    if (st != ST_OK)
        return st;
    log_event(LOG_INFO, "promotion decided",
              json_pack("{s:s,s:b,s:s,s:s*}", "model", id, "promoted", *ret_promoted, "reason", reason,
                        "warning",
                        json_string_value(json_object_get(json_object_get(record, "promotion"), "warning"))));
    return ST_OK;
}
