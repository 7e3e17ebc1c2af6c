/* jobs/store/signatures.c - who stands for models, as the store keeps it; see cxrd/store.h. */
#include "parts.h"

enum status store_model_sign(struct store *s, const char *id, const char *sha256, const char *signature,
                             struct error *err)
{
    int64_t changed;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_changed(s,
                       store_prepare(s, err,
                                     "INSERT INTO model_signatures(model, sha256, signature)"
                                     " SELECT id, $2, $3 FROM models WHERE id = $1 ON CONFLICT(model) DO"
                                     " UPDATE SET sha256 = excluded.sha256, signature = excluded.signature",
                                     "ttt", id, sha256, signature),
                       &changed, err);
    if (st == ST_OK && changed == 0)
        st = error_set(err, ST_NOTFOUND, "there is no model '%s'", id);
    return store_end(s, st, err);
}

static json_t *signature_row(const struct cells *r, size_t row)
{
    return json_pack("{s:s,s:s}", "sha256", cells_text(r, row, 0), "signature", cells_text(r, row, 1));
}

enum status store_model_signature(struct store *s, const char *id, json_t **ret, struct error *err)
{
    static const struct kind SIGNATURE = { "signature of a model", "signature", signature_row };

    return store_find(s, "SELECT sha256, signature FROM model_signatures WHERE model = $1", id, &SIGNATURE,
                      ret, err);
}
