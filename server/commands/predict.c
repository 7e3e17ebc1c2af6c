/* server/commands/predict.c - cxrd predict: the findings of pictures, by a weights file here or by a server. */
#include "../api/prediction.h"
#include "../client.h"
#include "commands.h"
#include "cxrd/clock.h"
#include "cxrd/decoder.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/log.h"
#include "cxrd/narrowing.h"
#include "cxrd/utf8.h"
#include "cxrd/weights.h"
#include "pictures.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct predict_options {
    const char *weights, *url, *ca, *explain, *heatmap, *precision, *input_policy;
    const char *given[N_INPUT_FIELDS]; /* as input_parse() takes it; NULL: not known */
    bool json;
};

#define AT(member) offsetof(struct predict_options, member)

static const struct option OPTIONS[] = {
    { "weights", OPTION_TEXT, AT(weights), "FILE", "a safetensors file to predict with" },
    { "url", OPTION_TEXT, AT(url), "URL",
      "a server to ask instead, such as http://127.0.0.1:8080; its key, if it asks for one, in CXRD_KEY" },
    { "ca", OPTION_TEXT, AT(ca), "FILE",
      "certificates of authorities that the server is believed by, PEM (the system's)" },
    { "explain", OPTION_TEXT, AT(explain), "LABEL",
      "say where in the picture this finding's logit comes from" },
    { "heatmap", OPTION_TEXT, AT(heatmap), "FILE", "write the picture with that map over it, as a PNG" },
    { "precision", OPTION_TEXT, AT(precision), "float32|int12",
      "with --weights: int12 is sooner, and refused where that is seen in a probability (float32)",
      .check = check_precision },
    { "input-policy", OPTION_TEXT, AT(input_policy), "frontal|warn|reject",
      "with --weights: which pictures are refused, as for cxrd serve (frontal)",
      .check = check_input_policy },
    { "age", OPTION_TEXT, AT(given[INPUT_AGE]), "YEARS", "for models that take it" },
    { "sex", OPTION_TEXT, AT(given[INPUT_SEX]), "M|F", "for models that take it" },
    { "view", OPTION_TEXT, AT(given[INPUT_VIEW]), "PA|AP", "for models that take it" },
    { "history", OPTION_TEXT, AT(given[INPUT_HISTORY]), "FINDINGS",
      "what earlier films ever showed, such as Effusion,Mass or 'No Finding'; for models that take it" },
    { "history-last", OPTION_TEXT, AT(given[INPUT_HISTORY_LAST]), "FINDINGS",
      "what the last film before this one showed; for models that take it" },
    { "json", OPTION_FLAG, AT(json), NULL, "print the reply as JSON, one line a picture" },
    { NULL },
};

enum { MAX_PICTURE = 64 << 20, MAX_PATH = 1024 };

/* A model from a file, as a server would name it. */
static enum status model_load(const char *path, enum precision precision, struct served *ret,
                              struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const char *population;
    enum status st = file_read(path, WEIGHTS_MAX_BYTES, &file, err);

    if (st == ST_OK)
        st = weights_read(file.data, file.size, &ret->model, err);
    if (st == ST_OK)
        st = model_narrow(&ret->model, precision, err);
    if (st == ST_OK)
        st = digest_bytes(file.data, file.size, ret->sha256);
    if (st == ST_OK && model_is_backbone(ret->model))
        st = error_set(err, ST_CONFLICT, BACKBONE_REFUSED);
    file_bytes_release(&file);
    if (st != ST_OK)
        return st;
    snprintf(ret->id, sizeof ret->id, "%.16s", ret->sha256); /* no registry: the digest names it */
    population = json_string_value(json_object_get(model_notes(ret->model), "population"));
    snprintf(ret->population, sizeof ret->population, "%s", population ? population : "");
    return ST_OK;
}

/* A heat map goes to --heatmap, if there is one. */
static enum status heatmap_save(const char *path, const struct buf *png, struct error *err)
{
    const struct iovec whole = { png->data, png->len };

    return file_replace(path, &whole, 1, err);
}

/* A picture from a file. */
struct picture {
    const char *path; /* NULL: none is given */
    struct file_bytes file;
};

/* With what it is predicted here. */
struct engine {
    struct served m; /* no model: a server is asked */
    struct session *session;
    struct decoder *decoder; /* of JPEG and DICOM */
};

static enum status engine_open(struct engine *e, struct error *err)
{
    struct decoder_options options = decoder_options_default();
    const enum status st = session_new(&e->session);

    options.lanes = 1;
    return st == ST_OK ? decoder_open(&options, &e->decoder, err) : error_nomem(err);
}

static void engine_release(struct engine *e)
{
    decoder_close(e->decoder);
    session_free(e->session);
    model_unref(e->m.model);
}

static enum status predict_here(const struct predict_options *o, const struct question *q,
                                const struct engine *e, const struct picture *picture, json_t **ret_reply,
                                struct error *err)
{
    const struct served *m = &e->m;
    struct image img = IMAGE_INIT;
    struct buf png = BUF_INIT(MAX_PICTURE);
    struct prediction p;
    char id[ID_SIZE];
    const struct image_reader reader = { .limits = &IMAGE_LIMITS,
                                         .said_dicom = picture->path && named_dicom(picture->path),
                                         .decoder = e->decoder };
    const double begun = clock_seconds();
    double decoded;
    enum status st = ST_OK;

    if (model_sees(m->model))
        st = image_decode(picture->file.data, picture->file.size, &reader, &img, err);
    decoded = clock_seconds();
    if (st == ST_OK)
        st = predict_image(m->model, e->session, NULL, &img, q, &p, err);
    if (st == ST_OK) {
        p.not_looked_at = picture->path && !model_sees(m->model);
        p.timing.decode = (decoded - begun) * 1e3;
        p.timing.total = (clock_seconds() - begun) * 1e3;
        id_new(id);
        *ret_reply = prediction_json(m, id, &p);
        st = *ret_reply ? ST_OK : error_nomem(err);
    }
    if (st == ST_OK && o->heatmap)
        st = prediction_heatmap(m->model, &img, &p, &png, err);
    if (st == ST_OK && o->heatmap)
        st = heatmap_save(o->heatmap, &png, err);
    buf_release(&png);
    image_release(&img);
    return st;
}

/* `text` as a query has it: all but letters, digits and what else needs no escape (RFC 3986, 2.3) escaped. */
static void put_escaped(const char *text, struct buf *out)
{
    for (const char *at = text; *at; at++)
        if (isalnum((unsigned char)*at) || strchr("-._~", *at))
            buf_put(out, at, 1);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
}

/* Where to ask: "/predict?explain=Mass&age=58". */
static void url_path(const struct predict_options *o, const char *path_and_name, struct buf *out)
{
    const char *mark = "?";

    if (o->explain) {
        buf_puts(out, path_and_name);
        put_escaped(o->explain, out);
        mark = "&";
    } else {
        buf_puts(out, "/predict");
    }
    for (size_t field = 0; field < N_INPUT_FIELDS; field++)
        if (o->given[field]) {
            buf_printf(out, "%s%s=", mark, INPUT_NAMES[field]);
            put_escaped(o->given[field], out);
            mark = "&";
        }
    buf_put(out, "", 1);
}

static enum status predict_there(const struct predict_options *o, const struct picture *picture,
                                 json_t **ret_reply, struct error *err)
{
    const char *type =
        picture->path && named_dicom(picture->path) ? "application/dicom" : "application/octet-stream";
    const struct file_bytes *file = &picture->file;
    struct buf png = BUF_INIT(MAX_PICTURE);
    const struct client_server server = { .url = o->url, .ca = o->ca };
    struct buf path = BUF_INIT(MAX_PATH), map_path = BUF_INIT(MAX_PATH);
    enum status st = ST_OK;

    url_path(o, "/predict?explain=", &path);
    url_path(o, "/predict/heatmap?label=", &map_path);
    if (buf_status(&path) == ST_NOMEM || buf_status(&map_path) == ST_NOMEM)
        st = error_nomem(err);
    else if (buf_status(&path) != ST_OK || buf_status(&map_path) != ST_OK)
        st = error_set(err, ST_LIMIT, "what is asked does not fit into a request's address");
    if (st == ST_OK)
        st = client_json(&server, "POST", path.data, type, file->data, file->size, ret_reply, err);
    if (st == ST_OK && o->heatmap) {
        st = client_bytes(&server, "POST", map_path.data, type, file->data, file->size, &png, err);
        if (st == ST_OK)
            st = heatmap_save(o->heatmap, &png, err);
    }
    buf_release(&path);
    buf_release(&map_path);
    buf_release(&png);
    return st;
}

static const char *label_of(const json_t *named)
{
    const char *label = json_string_value(json_object_get(named, "label"));

    return label ? label : "?";
}

/* The logit with its parts, if they add up to it, and the cell that raises it most. */
static void print_explanation(const json_t *e)
{
    const char *method = json_string_value(json_object_get(e, "method"));
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
    printf("  %s: logit %.4f", label_of(e), json_number_value(json_object_get(e, "logit")));
    if (method)
        printf(", by %s", method);
    else
        printf(" = bias %.4f + inputs %.4f + picture %.4f", json_number_value(json_object_get(e, "bias")),
               json_number_value(json_object_get(e, "inputs")), sum);
    printf(", raised most at row %zu, column %zu of %zu x %zu (%+.4f)\n", row, column,
           json_array_size(json_object_get(e, "grid")),
           json_array_size(json_array_get(json_object_get(e, "grid"), 0)), most);
}

/* "; AUROC 0.812 (0.745 to 0.880, 63 positive rows)", as much of it as is known. */
static void print_quality(const json_t *finding)
{
    const json_t *auroc = json_object_get(finding, "auroc"), *low = json_object_get(finding, "auroc_low"),
                 *positives = json_object_get(finding, "auroc_positives");

    if (json_is_number(auroc))
        printf("; AUROC %.3f", json_number_value(auroc));
    if (json_is_number(low) && json_is_integer(positives))
        printf(" (%.3f to %.3f, %lld positive rows)", json_number_value(low),
               json_number_value(json_object_get(finding, "auroc_high")),
               (long long)json_integer_value(positives));
}

/* Effusion             0.3068  positive (from 0.2100 on; AUROC 0.812 (0.745 to 0.880, 63 positive rows))
 * Hernia               0.0068  no verdict (AUROC not known: 2 positive, 567 negative test rows)
 *   width  of the names */
static void print_finding(const json_t *finding, int width)
{
    const json_t *threshold = json_object_get(finding, "threshold"),
                 *positive = json_object_get(finding, "positive"),
                 *with = json_object_get(finding, "auroc_positives"),
                 *without = json_object_get(finding, "auroc_negatives");

    printf("  %s%*s %.4f", label_of(finding), width - (int)utf8_length(label_of(finding)), "",
           json_number_value(json_object_get(finding, "probability")));
    if (json_is_boolean(positive)) {
        printf("  %s (from %.4f on", json_is_true(positive) ? "positive" : "negative",
               json_number_value(threshold));
        print_quality(finding);
        printf(")");
    } else if (json_is_integer(with) && json_is_number(threshold)) {
        printf("  no verdict (AUROC not known: %lld positive", (long long)json_integer_value(with));
        if (json_is_integer(without))
            printf(", %lld negative", (long long)json_integer_value(without));
        printf(" test rows)");
    }
    printf("\n");
}

static void print_warnings(const json_t *warnings)
{
    size_t i;
    json_t *warning;

    json_array_foreach (warnings, i, warning)
        printf("  warning, %s: %s\n", json_string_value(json_object_get(warning, "code")),
               json_string_value(json_object_get(warning, "detail")));
}

static void print_findings(const json_t *findings)
{
    int width = 20;
    size_t i;
    json_t *finding;

    json_array_foreach (findings, i, finding)
        width = utf8_length(label_of(finding)) > (size_t)width ? (int)utf8_length(label_of(finding)) : width;
    json_array_foreach (findings, i, finding)
        print_finding(finding, width);
}

/* "  from the file: age 64, sex F" */
static void print_inputs(const json_t *inputs)
{
    const char *before = "  from the file: ", *name;
    json_t *input;

    json_object_foreach ((json_t *)inputs, name, input) {
        const json_t *value = json_object_get(input, "value");
        const char *text = json_string_value(value),
                   *from = json_string_value(json_object_get(input, "from"));

        if (!from || strcmp(from, "file") != 0)
            continue;
        if (text)
            printf("%s%s %s", before, name, text);
        else
            printf("%s%s %g", before, name, json_number_value(value));
        before = ", ";
    }
    if (before[0] == ',')
        printf("\n");
}

static void print_reply(const char *picture, const json_t *reply, bool as_json)
{
    if (as_json) {
        char *text = json_text(reply, JSON_COMPACT | JSON_REAL_PRECISION(9));

        if (text)
            puts(text);
        free(text);
        return;
    }
    print_text(stdout, picture, strlen(picture));
    putchar('\n');
    print_inputs(json_object_get(reply, "inputs"));
    print_findings(json_object_get(reply, "findings"));
    print_warnings(json_object_get(reply, "warnings"));
    print_warnings(json_object_get(json_object_get(reply, "model"), "warnings"));
    if (json_object_get(reply, "explanation"))
        print_explanation(json_object_get(reply, "explanation"));
}

/* All that the options ask for together. False: the fault in them has been said. */
static bool options_check(const struct predict_options *o, size_t n_pictures)
{
    if (!o->weights == !o->url) {
        fprintf(stderr, "cxrd predict: give either --weights or --url\n");
        return false;
    }
    if (o->heatmap && (!o->explain || n_pictures != 1)) {
        fprintf(stderr, "cxrd predict: --heatmap goes with --explain and one picture\n");
        return false;
    }
    return true;
}

/* What they ask of a model. False: the fault in them has been said. */
static bool question_read(const struct predict_options *o, const struct model *m, size_t n_pictures,
                          struct question *ret)
{
    const struct labels *labels = model_labels(m);
    char known[LABELS_TEXT_SIZE];
    struct error err;

    *ret = (struct question){ .explain = EXPLAIN_NONE, .values = INPUTS_UNKNOWN };
    if (input_policy_parse(o->input_policy, &ret->policy, &err) != ST_OK)
        return false; /* which its check has seen to */
    if (n_pictures == 0 && model_sees(m)) {
        fprintf(stderr, "cxrd predict: give at least one picture: this model looks at it\n");
        return false;
    }
    if (o->explain && (ret->explain = labels_find(labels, o->explain, strlen(o->explain))) < 0) {
        fprintf(stderr, "cxrd predict: --explain must name a finding of this model, not '%.64s': %s\n",
                o->explain, labels_text(labels, known));
        return false;
    }
    for (size_t i = 0; i < N_INPUT_FIELDS; i++)
        if (o->given[i] && input_parse(i, o->given[i], labels, &ret->values, &err) != ST_OK) {
            fprintf(stderr, "cxrd predict: %s\n", err.text);
            return false;
        }
    return true;
}

/* Whether the fault is one picture's, so that others may be asked about. */
static bool is_of_picture(enum status st)
{
    return st == ST_FORMAT || st == ST_UNSUPPORTED || st == ST_LIMIT || st == ST_UNUSABLE || st == ST_NUMERIC;
}

/*   path      of a picture; NULL: none is given
 *   is_named  in the JSON, as there may be several */
static enum status predict_one(const struct predict_options *o, const struct question *q,
                               const struct engine *e, const char *path, bool is_named, struct error *err)
{
    struct picture picture = { path, FILE_BYTES_INIT };
    json_t *reply = NULL;
    enum status st = path ? file_read(path, MAX_PICTURE, &picture.file, err) : ST_OK;

    if (st != ST_OK)
        return st == ST_NOMEM ? st : ST_UNUSABLE;
    st = o->weights ? predict_here(o, q, e, &picture, &reply, err) : predict_there(o, &picture, &reply, err);
    if (st == ST_OK && is_named)
        json_object_set_new(reply, "file", json_any_text(path));
    if (st == ST_OK)
        print_reply(path ? path : "no picture", reply, o->json);
    json_decref(reply);
    file_bytes_release(&picture.file);
    return st;
}

/* "cxrd predict: film.dcm: …" on standard error. */
static void print_refusal(const char *path, const struct error *err)
{
    fputs("cxrd predict: ", stderr);
    print_text(stderr, path, strlen(path));
    fputs(": ", stderr);
    print_text(stderr, err->text, strlen(err->text));
    fputs(err->inner[0] ? ": " : "", stderr);
    print_text(stderr, err->inner, strlen(err->inner));
    putc('\n', stderr);
}

/* All pictures, or the one prediction of a model that needs none. One of several that cannot be used keeps no other from being
 * asked about; it is told at once, and counted at the end. */
static enum status predict_all(const struct predict_options *o, const struct question *q,
                               const struct engine *e, const struct path_list *pictures, struct error *err)
{
    const size_t n = pictures->n;
    enum status st = n == 0 ? predict_one(o, q, e, NULL, false, err) : ST_OK;
    size_t refused = 0;

    for (size_t i = 0; i < n && st == ST_OK; i++) {
        st = predict_one(o, q, e, pictures->paths[i], n > 1, err);
        if (n == 1 || !is_of_picture(st))
            continue;
        fflush(stdout); /* so that what both show stands in order */
        print_refusal(pictures->paths[i], err);
        refused++;
        st = ST_OK;
    }
    if (st == ST_OK && refused)
        st = error_set(err, ST_UNUSABLE, "%zu of %zu pictures cannot be used", refused, n);
    return st;
}

static int predict(int argc, char **argv)
{
    struct predict_options o = { 0 };
    struct question q = { .explain = EXPLAIN_NONE };
    struct path_list pictures = PATH_LIST_INIT;
    struct engine e = { .session = NULL };
    struct error err = { 0 };
    size_t n_arguments;
    bool is_usable;
    enum status st;
    int exit_status;

    if (!command_begin(&COMMAND_PREDICT, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    log_set_level(LOG_OFF); /* what goes wrong is said in sentences */
    st = pictures_find(argv + 1, n_arguments, &pictures, &err);
    if (st == ST_OK && pictures.n_links > 0)
        fprintf(stderr, "cxrd predict: %zu links in folders are passed over\n", pictures.n_links);
    is_usable = st != ST_OK || options_check(&o, pictures.n);
    if (is_usable && st == ST_OK && o.weights)
        st = model_load(o.weights, precision_named(o.precision), &e.m, &err);
    if (is_usable && e.m.model)
        is_usable = question_read(&o, e.m.model, pictures.n, &q);
    if (is_usable && st == ST_OK)
        st = engine_open(&e, &err);
    if (is_usable && st == ST_OK)
        st = predict_all(&o, &q, &e, &pictures, &err);
    if (is_usable && st == ST_OK && !o.json)
        printf("%s\n", INTENDED_USE);
    engine_release(&e);
    path_list_release(&pictures);
    if (!is_usable)
        return EXIT_USAGE;
    return st == ST_OK ? EXIT_DONE : command_fail(&COMMAND_PREDICT, &err);
}

const struct command COMMAND_PREDICT = {
    "predict", "(--weights FILE | --url URL) [IMAGE|FOLDER…]", "the findings of pictures", OPTIONS, predict,
    SIZE_MAX,
};
