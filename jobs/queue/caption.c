/* jobs/queue/caption.c - see cxrd/caption.h. */
#include "cxrd/caption.h"

#include "cxrd/train_config.h"
#include "cxrd/utf8.h"

#include <string.h>

/* Text that shows as what it is, in a line or, where `lines` says so, in several. */
static bool is_plain(const char *text, size_t n, bool lines)
{
    while (n > 0) {
        const size_t line = lines ? strcspn(text, "\n") : n;

        for (size_t i = 0; i < line;) {
            const size_t character = utf8_character(text + i);

            if (character == 0 || utf8_steering(text + i, line - i) > 0)
                return false;
            i += character;
        }
        text += line;
        n -= line;
        if (n > 0) /* the line's end */
            text++, n--;
    }
    return true;
}

static bool take(json_t *object, const char *field, char *ret, size_t most, json_t *errors)
{
    const json_t *value = json_object_get(object, field);
    const char *text = json_string_value(value);
    const size_t n = json_string_length(value);
    const bool lines = most == CAPTION_NOTE;

    if (!value)
        return false;
    ret[0] = '\0';
    if (text && n <= most && strlen(text) == n && is_plain(text, n, lines))
        memcpy(ret, text, n + 1);
    else if (!json_is_null(value))
        config_error(errors, field,
                     "must be text of at most %zu bytes%s, without characters that steer what shows it", most,
                     lines ? "" : " on one line");
    json_object_del(object, field);
    return true;
}

void caption_take(json_t *object, enum caption_parts parts, struct caption *ret, json_t *errors)
{
    *ret = (struct caption){ .has_name = false };
    if (parts == CAPTION_BOTH)
        ret->has_name = take(object, "name", ret->name, CAPTION_NAME, errors);
    ret->has_note = take(object, "note", ret->note, CAPTION_NOTE, errors);
}
