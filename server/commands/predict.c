/* server/commands/predict.c - cxrd predict: the findings of pictures, by a weights file here or by a server. */
#include "../api/prediction.h"
#include "../client.h"
#include "commands.h"
#include "cxrd/file.h"
#include "cxrd/weights.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct predict_options {
    const char *weights, *url, *explain;
    bool json;
    int label; /* of `explain` */
};

#define AT(member) offsetof(struct predict_options, member)

static const struct option OPTIONS[] = {
    { "weights", OPTION_TEXT, AT(weights), "FILE", "a safetensors file to predict with" },
    { "url", OPTION_TEXT, AT(url), "URL", "a server to ask instead, such as http://127.0.0.1:8080" },
    { "explain", OPTION_TEXT, AT(explain), "LABEL",
      "say where in the picture this finding's logit comes from" },
    { "json", OPTION_FLAG, AT(json), NULL, "print the reply as JSON, one line a picture" },
};

enum { MAX_PICTURE = 64 << 20 };

/* A model from a file, as a server would name it. */
static enum status model_load(const char *path, struct served *ret, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const char *population;
    enum status st = file_read(path, WEIGHTS_MAX_BYTES, &file, err);

    if (st == ST_OK)
        st = weights_read(file.data, file.size, &ret->model, err);
    if (st == ST_OK)
        st = digest_bytes(file.data, file.size, ret->sha256);
    file_bytes_release(&file);
    if (st != ST_OK)
        return st;
    snprintf(ret->id, sizeof ret->id, "%.16s", ret->sha256); /* no registry: the digest names it */
    population = json_string_value(json_object_get(model_notes(ret->model), "population"));
    snprintf(ret->population, sizeof ret->population, "%s", population ? population : "");
    return ST_OK;
}

static enum status predict_here(const struct served *m, struct session *s, const struct file_bytes *file,
                                int explain, json_t **ret_reply, struct error *err)
{
    struct prediction p;
    char id[ID_SIZE];
    enum status st =
        predict_picture(m->model, s, NULL, &IMAGE_LIMITS, file->data, file->size, explain, &p, err);

    if (st != ST_OK)
        return st;
    p.timing.total = p.timing.decode + p.timing.preprocess + p.timing.forward;
    id_new(id);
    *ret_reply = prediction_json(m, id, &p);
    return *ret_reply ? ST_OK : error_nomem(err);
}

static enum status predict_there(const char *base, const struct file_bytes *file, int explain,
                                 json_t **ret_reply, struct error *err)
{
    char path[64] = "/predict", url[1024];

    if (explain != EXPLAIN_NONE)
        snprintf(path, sizeof path, "/predict?explain=%s", LABELS[explain]);
    client_url(base, path, url, sizeof url);
    return client_json("POST", url, "application/octet-stream", file->data, file->size, ret_reply, err);
}

/* The sum, and the cell that adds most to it. */
static void print_explanation(const json_t *e)
{
    const char *label = json_string_value(json_object_get(e, "label"));
    double sum = 0, most = -HUGE_VAL;
    size_t i, j, row = 0, column = 0;
    json_t *line, *value;

    json_array_foreach (json_object_get(e, "grid"), i, line)
        json_array_foreach (line, j, value) {
            const double v = json_number_value(value);

            sum += v;
            if (v > most) {
                most = v;
                row = i + 1;
                column = j + 1;
            }
        }
    printf(
        "  %s: logit %.4f = bias %.4f + inputs %.4f + picture %.4f, most of it from row %zu, column %zu of "
        "%zu x %zu (%+.4f)\n",
        label ? label : "?", json_number_value(json_object_get(e, "logit")),
        json_number_value(json_object_get(e, "bias")), json_number_value(json_object_get(e, "inputs")), sum,
        row, column, json_array_size(json_object_get(e, "grid")),
        json_array_size(json_array_get(json_object_get(e, "grid"), 0)), most);
}

static void print_reply(const char *picture, const json_t *reply, bool as_json)
{
    size_t i;
    json_t *finding;

    if (as_json) {
        char *text = json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(9));

        if (text)
            puts(text);
        free(text);
        return;
    }
    printf("%s\n", picture);
    json_array_foreach (json_object_get(reply, "findings"), i, finding)
        printf("  %-20s %.4f\n", json_string_value(json_object_get(finding, "label")),
               json_number_value(json_object_get(finding, "probability")));
    if (json_object_get(reply, "explanation"))
        print_explanation(json_object_get(reply, "explanation"));
}

static int predict(int argc, char **argv)
{
    struct predict_options o = { .label = EXPLAIN_NONE };
    struct served m = { 0 };
    struct session *s = NULL;
    struct error err = { 0 };
    size_t n_pictures;
    enum status st = ST_OK;
    int exit_status;

    if (!command_begin(&COMMAND_PREDICT, argc, argv, &o, &n_pictures, &exit_status))
        return exit_status;
    if (!o.weights == !o.url || n_pictures == 0) {
        fprintf(stderr, "cxrd predict: give either --weights or --url, and at least one picture\n");
        return EXIT_USAGE;
    }
    if (o.explain && (o.label = label_index(o.explain, strlen(o.explain))) < 0) {
        fprintf(stderr, "cxrd predict: --explain must name a finding, not '%.64s': %s\n", o.explain,
                labels_joined());
        return EXIT_USAGE;
    }
    if (o.weights)
        st = model_load(o.weights, &m, &err);
    if (st == ST_OK)
        st = session_new(&s);
    for (size_t i = 1; i <= n_pictures && st == ST_OK; i++) {
        struct file_bytes file = FILE_BYTES_INIT;
        json_t *reply = NULL;

        st = file_read(argv[i], MAX_PICTURE, &file, &err);
        if (st == ST_OK)
            st = o.weights ? predict_here(&m, s, &file, o.label, &reply, &err)
                           : predict_there(o.url, &file, o.label, &reply, &err);
        if (st == ST_OK)
            print_reply(argv[i], reply, o.json);
        json_decref(reply);
        file_bytes_release(&file);
    }
    if (st == ST_OK && !o.json)
        printf("%s\n", INTENDED_USE);
    session_free(s);
    model_unref(m.model);
    return st == ST_OK ? EXIT_DONE : command_fail(&COMMAND_PREDICT, &err);
}

const struct command COMMAND_PREDICT = {
    "predict", "(--weights FILE | --url URL) IMAGE…", "the findings of pictures",
    OPTIONS,   sizeof OPTIONS / sizeof OPTIONS[0],    predict,
    SIZE_MAX,
};
