/* jobs/report/base64.h - bytes as text, RFC 4648 section 4, for pictures and digests inside a page. */
#ifndef JOBS_REPORT_BASE64_H
#define JOBS_REPORT_BASE64_H

#include "cxrd/buf.h"

void base64_put(struct buf *out, const void *bytes, size_t n);

#endif
