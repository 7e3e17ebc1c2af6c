/* server/ui/yaml2json.c - a tool of the build: openapi.yaml as JSON, for the pages' scripts.
 *
 * Why at build time: a browser reads JSON by itself, so no YAML parser is shipped to it. Why libyaml: Debian packages it
 * small, for C, and it is the parser that others' YAML libraries are made of. Of YAML's many scalars those that JSON
 * has are read as such when they stand without quotes; everything else is text. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static json_t *number_or_text(const char *text)
{
    char *end;
    const long long whole = strtoll(text, &end, 10);
    double real;

    if (*text && !*end)
        return json_integer(whole);
    real = strtod(text, &end);
    if (*text && !*end && strspn(text, "+-.0123456789eE") == strlen(text))
        return json_real(real);
    return json_string(text);
}

static json_t *scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_string(text);
    if (strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || !*text)
        return json_null();
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(*text == 't');
    return number_or_text(text);
}

/* A node and all below it; the document comes from our own repository and is not deep. */
static json_t *convert(yaml_document_t *document, int index) /* NOLINT(misc-no-recursion) */
{
    const yaml_node_t *node = yaml_document_get_node(document, index);
    json_t *made;

    if (node->type == YAML_SCALAR_NODE)
        return scalar(node);
    if (node->type == YAML_SEQUENCE_NODE) {
        made = json_array();
        for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
             i++)
            json_array_append_new(made, convert(document, *i));
        return made;
    }
    made = json_object();
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
        json_object_set_new(made, (const char *)yaml_document_get_node(document, p->key)->data.scalar.value,
                            convert(document, p->value));
    return made;
}

/* yaml2json FROM TO */
int main(int argc, char **argv)
{
    FILE *from = argc == 3 ? fopen(argv[1], "rb") : NULL;
    yaml_parser_t parser;
    yaml_document_t document;
    json_t *json;
    int rc = 1;

    if (!from || !yaml_parser_initialize(&parser)) {
        fprintf(stderr, "usage: yaml2json FROM TO\n");
        return 2;
    }
    yaml_parser_set_input_file(&parser, from);
    if (!yaml_parser_load(&parser, &document) || !yaml_document_get_root_node(&document)) {
        fprintf(stderr, "%s:%zu: %s\n", argv[1], parser.problem_mark.line + 1,
                parser.problem ? parser.problem : "nothing is in it");
    } else {
        json = convert(&document, 1); /* the root is the first node */
        rc = json_dump_file(json, argv[2], JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 ? 0 : 1;
        json_decref(json);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    fclose(from);
    return rc;
}
