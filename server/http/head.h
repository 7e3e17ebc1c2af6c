/* server/http/head.h - the head of a request: what must be right before anything is believed.
 *
 * What two servers in a row could read differently (RFC 9112, sections 3.2 and 6) is how one request is smuggled inside
 * another. libmicrohttpd lets most of it pass, so every header goes through here first. */
#ifndef SERVER_HTTP_HEAD_H
#define SERVER_HTTP_HEAD_H

#include "http.h"

struct head {
    struct http_request *req; /* takes the headers that handlers want */
    char authorization[HTTP_TEXT], host[HTTP_TEXT], origin[HTTP_TEXT],
        traceparent[HTTP_TEXT]; /* "" where there is none */
    unsigned content_lengths, transfer_encodings, hosts, authorizations, origins;
    bool odd_encoding, bad_name, control_byte, long_key, long_name, expects, preflight;
    size_t content_length;
    bool has_length;
};

/* Take note of a header. `value` is followed by a NUL; one with digits only where its name is Content-Length. */
void head_add(struct head *h, const char *name, size_t name_size, const char *value, size_t value_size);

/* After the last header: settle the request's id; what is wrong with the head, as a sentence, or NULL. */
const char *head_fault(const struct head *h, bool http_1_0);

/* Whether n bytes are a token of RFC 9110, as methods and names of headers are. */
bool head_is_token(const char *text, size_t n);

bool head_has_control_byte(const char *text, size_t n);

#endif
