/* server/http/head.h - the head of a request as request_head.c needs it: kept from what raw_head.c wrote, which is right. */
#ifndef SERVER_HTTP_HEAD_H
#define SERVER_HTTP_HEAD_H

#include "http.h"
#include "raw_head.h"

struct head {
    struct http_request *req; /* takes the headers that handlers want */
    char target[MAX_TARGET];  /* as it was sent, or "*"; "" where a fault made it unknown */
    char authorization[HTTP_TEXT], host[HTTP_TEXT], origin[HTTP_TEXT], traceparent[HTTP_TEXT],
        preflight[HTTP_TEXT]; /* "" where there is none */
    bool expects;             /* it waits for our word before it sends a body */
    bool has_length;
    size_t content_length;
    struct fault fault; /* why it is refused */
};

/* Take note of a header; `value` is followed by a NUL. */
void head_add(struct head *h, const char *name, const char *value, size_t value_size);

/* After the last header: settle the request's id and its trace. */
void head_settle(struct head *h);

/* A HEADER_FAULT's value into its parts. */
void head_fault(const char *value, struct fault *ret);

#endif
