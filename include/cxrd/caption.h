/* include/cxrd/caption.h - what people call a job or a model, and what they note of it. Nothing is done by it. */
#ifndef CXRD_CAPTION_H
#define CXRD_CAPTION_H

#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>

enum { CAPTION_NAME = 120, CAPTION_NOTE = 4000 }; /* bytes */

struct caption {
    bool has_name, has_note;                             /* said; otherwise it stays what it is */
    char name[CAPTION_NAME + 1], note[CAPTION_NOTE + 1]; /* "": none */
};

enum caption_parts { CAPTION_BOTH, CAPTION_NOTE_ALONE };

/* Take `name` and `note` out of a request's object; null and "" take one away. A name is a line of UTF-8, a note may have several;
 * neither has characters that steer what shows it.
 *   parts   CAPTION_NOTE_ALONE: a `name` is left where it is
 *   errors  an array of the caller's: gets {"field","detail"} of each fault; whether memory ran out is asked by json_ran_out() */
void caption_take(json_t *object, enum caption_parts parts, struct caption *ret, json_t *errors);

#endif
