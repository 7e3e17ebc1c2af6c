/* server/dicom/native.c - see native.h. */
#include "native.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *keyword_of(const char *tag)
{
    static const char *const KEYWORDS[][2] = {
        { "00081150", "ReferencedSOPClassUID" }, { "00081155", "ReferencedSOPInstanceUID" },
        { "00081190", "RetrieveURL" },           { "00081197", "FailureReason" },
        { "00081198", "FailedSOPSequence" },     { "00081199", "ReferencedSOPSequence" },
        { "0008119A", "OtherFailuresSequence" },
    };

    enum { N = sizeof KEYWORDS / sizeof KEYWORDS[0] };
    size_t i = 0;

    while (i < N && strcmp(KEYWORDS[i][0], tag) != 0)
        i++;
    assert(i < N); /* an attribute of PS3.18, I.2 */
    return KEYWORDS[i][1];
}

static void text_write(const char *text, struct buf *out)
{
    for (; *text; text++)
        switch (*text) {
        case '&': buf_printf(out, "&amp;"); break;
        case '<': buf_printf(out, "&lt;"); break;
        case '>': buf_printf(out, "&gt;"); break;
        default: buf_printf(out, "%c", *text);
        }
}

static void value_write(const json_t *value, size_t number, struct buf *out)
{
    buf_printf(out, "<Value number=\"%zu\">", number);
    if (json_is_string(value))
        text_write(json_string_value(value), out);
    else
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    buf_printf(out, "</Value>");
}

/* PS3.19 orders attributes by their tags. */
static int by_tag(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum { MOST_ATTRIBUTES = 8 };

static void attributes_write(const json_t *data_set, struct buf *out);

static void attribute_write(const char *tag, const json_t *attribute, struct buf *out)
{
    const json_t *value;
    size_t i;

    buf_printf(out, "<DicomAttribute tag=\"%s\" vr=\"%s\" keyword=\"%s\">", tag,
               json_string_value(json_object_get(attribute, "vr")), keyword_of(tag));
    json_array_foreach (json_object_get(attribute, "Value"), i, value)
        if (json_is_object(value)) {
            buf_printf(out, "\n<Item number=\"%zu\">\n", i + 1);
            attributes_write(value, out);
            buf_printf(out, "</Item>");
        } else {
            value_write(value, i + 1, out);
        }
    buf_printf(out, "</DicomAttribute>\n");
}

/* Of an item as of the whole; a reply has items in no items (PS3.18, I.2). */
static void attributes_write(const json_t *data_set, struct buf *out)
{
    const char *tags[MOST_ATTRIBUTES], *tag;
    json_t *attribute;
    size_t n = 0;

    json_object_foreach ((json_t *)data_set, tag, attribute) {
        assert(n < MOST_ATTRIBUTES);
        tags[n++] = tag;
    }
    qsort(tags, n, sizeof tags[0], by_tag);
    for (size_t i = 0; i < n; i++)
        attribute_write(tags[i], json_object_get(data_set, tags[i]), out);
}

void native_xml(const json_t *data_set, struct buf *out)
{
    buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<NativeDicomModel xmlns=\"http://dicom.nema.org/PS3.19/models/NativeDICOM\" "
                    "xml:space=\"preserve\">\n");
    attributes_write(data_set, out);
    buf_printf(out, "</NativeDicomModel>\n");
}
