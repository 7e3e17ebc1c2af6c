/* model/torch/machine.h - what the parts of the pickle machine share. */
#ifndef MODEL_TORCH_MACHINE_H
#define MODEL_TORCH_MACHINE_H

#include "pickle.h"

#define NOTHING_RUNS "nothing in a file is ever executed"

/* Where the operation that is being executed stands in the file. */
size_t pickle_place(const struct pickle *p);

/* Push a value. Errors: ST_LIMIT, ST_NOMEM. */
MUST_USE enum status push(struct pickle *p, struct value v);
MUST_USE enum status push_id(struct pickle *p, value_id v);

/* Pop one. Errors: ST_FORMAT (nothing is there, or only a mark). */
MUST_USE enum status pop(struct pickle *p, value_id *ret);

/* How far down the stack an operation may reach: to the last mark. */
size_t floor_of(const struct pickle *p);

/* The values above the last mark, which goes: where on the stack they begin. They are still there. Errors: ST_FORMAT (there is no
 * mark). */
MUST_USE enum status unmark(struct pickle *p, size_t *ret_first);

/* Hang a value on the end of a tuple, list or dict. Errors: ST_LIMIT, ST_NOMEM. */
MUST_USE enum status hang_on(struct pickle *p, value_id to, value_id v);

/* An item of a tuple or list; NO_VALUE: it has not so many. */
value_id item_of(const struct pickle *p, value_id items, size_t i);

/* Room for one more of something, which is at most `most`. Errors: ST_LIMIT, ST_NOMEM. */
MUST_USE enum status room_for_one(struct pickle *p, void **items, size_t n, size_t *room, size_t size,
                                  size_t most, const char *of_what);

/* What "module" and "name" stand for. Errors: ST_FORMAT (it is not one of those that are read here). */
MUST_USE enum status global_find(struct pickle *p, const char *module, size_t n_module, const char *name,
                                 size_t n_name, struct value *ret);

/* The operations that Python would call something for: the callable and its arguments are on the stack. */
MUST_USE enum status do_reduce(struct pickle *p);
MUST_USE enum status do_new_object(struct pickle *p);
MUST_USE enum status do_build(struct pickle *p);
MUST_USE enum status do_persistent(struct pickle *p); /* a storage, by where it lies */

/* "INST", "opcode 0xfe". */
enum { OPCODE_TEXT = 32 };
const char *opcode_name(uint8_t code, char ret[OPCODE_TEXT]);

#endif
