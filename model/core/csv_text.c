/* model/core/csv_text.c - see cxrd/csv_text.h. */
#include "cxrd/csv_text.h"

#include <string.h>

void csv_text(const char *text, struct buf *out)
{
    const char *guard = text[0] && strchr("=+-@\t\r\n", text[0]) ? "'" : "";

    if (!strpbrk(text, "\",\r\n")) {
        buf_printf(out, "%s%s", guard, text);
        return;
    }
    buf_printf(out, "\"%s", guard);
    for (; *text; text++)
        buf_puts(out, *text == '"' ? "\"\"" : (char[]){ *text, '\0' });
    buf_puts(out, "\"");
}
