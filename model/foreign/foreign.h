/* model/foreign/foreign.h - what files of others leave open, whatever their format: which finding each output is, and how a picture
 * becomes their input. Each decision made here is told in the import's report. */
#ifndef MODEL_FOREIGN_FOREIGN_H
#define MODEL_FOREIGN_FOREIGN_H

#include "cxrd/import.h"

/* A file's outputs as far as the file itself tells, before anybody was asked. */
struct output_sayings {
    size_t n;          /* outputs; 0: it has no head */
    const char *names; /* between commas, as struct import_options has labels; NULL: they are not known */
    const char *from;  /* where the names are from: "file", "recognised" or "assumed" */
    const double *thresholds; /* [n], a NaN: the output was never trained; NULL: none */
};

/* Which outputs become findings. */
struct outputs {
    struct labels labels;
    bool fresh; /* no output of the file can be one of them: the head is made anew, see BACKBONE_NOTE */
    size_t from[MAX_LABELS]; /* [labels.n]: the output that each is; unused where the head is made anew */
    bool has_thresholds;
    double thresholds[MAX_LABELS]; /* [labels.n] */
};

/* Settle what the outputs mean: as the options say, or else as the file does. Names that mean a finding of NIH_LABELS become its
 * name; outputs without a name, or that mean that there is no finding, are left out. A file of more than MAX_LABELS outputs, or
 * without any, cannot answer for findings: with labels its head is made anew.
 *   report  gets "labels_from" and "outputs", [{"output","name","label" or null,"why"}]
 * Errors: ST_INVALID (the sentence says what to give), ST_NOMEM. */
MUST_USE enum status foreign_outputs(const struct import_options *o, const struct output_sayings *s,
                                     struct outputs *ret, json_t *report, struct error *err);

/* Settle how a picture becomes the input.
 *   scaling   a name of the options', which is taken where they give none
 *   size      the same of the image size
 *   from      why: "recognised" or "assumed"
 *   report    gets "scaling", {"name","from"}, "image_size" and "resize"
 * Errors: ST_INVALID (there is no such scaling), ST_NOMEM. */
MUST_USE enum status foreign_preprocess(const struct import_options *o, const char *scaling, size_t size,
                                        const char *from, struct preprocess *ret, json_t *report,
                                        struct error *err);

/* Refuse every option: a file of ours, in either format, says everything of itself, and an option could only contradict it.
 * Errors: ST_INVALID (the sentence names the option). */
MUST_USE enum status foreign_nothing_given(const struct import_options *o, struct error *err);

/* The model, with its report, its thresholds and whether it is a backbone in its notes.
 *   params  as model_new() takes them
 * Errors: model_new()'s. */
MUST_USE enum status foreign_model(const struct network *net, const struct outputs *outputs,
                                   const struct preprocess *pre, const float *params, const json_t *report,
                                   struct model **ret_model, struct error *err);

/* Add a sentence to the report's "warnings". Errors: ST_NOMEM. */
MUST_USE enum status foreign_warn(json_t *report, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
