/* server/commands/profile_file.c - see profile_file.h. */
#include "profile_file.h"

#include "cxrd/json.h"
#include "cxrd/site_profile.h"

#include <stdlib.h>
#include <string.h>

enum status profile_file_parse(const struct file_bytes *file, struct profile_file *ret, struct error *err)
{
    const json_t *document;
    json_t *again = NULL;
    enum status st = file->size > PROFILE_FILE_MOST
                         ? ST_FORMAT
                         : json_read(file->data, file->size, JSON_REJECT_DUPLICATES, &ret->exported, NULL);

    if (st == ST_NOMEM)
        return error_nomem(err);
    document = json_object_get(ret->exported, "profile");
    if (st != ST_OK || !json_is_object(document))
        return error_set(err, ST_FORMAT, "this is no profile as GET /profiles/<id> gives it");
    ret->canonical = site_profile_canonical(document);
    if (!ret->canonical || json_read(ret->canonical, strlen(ret->canonical), 0, &again, NULL) != ST_OK)
        return error_nomem(err);
    json_object_set_new(ret->exported, "profile", again);
    return ST_OK;
}

void profile_file_release(struct profile_file *p)
{
    json_decref(p->exported);
    free(p->canonical);
    *p = (struct profile_file)PROFILE_FILE_INIT;
}
