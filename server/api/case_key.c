/* server/api/case_key.c - see case_key.h. */
#include "case_key.h"

#include "cxrd/sign.h"

#include <stdio.h>
#include <string.h>

enum status case_parse(const struct patients_key *key, const struct http_request *req, uint64_t *ret,
                       struct error *err)
{
    char text[PARAMETER_TEXT], message[CASE_MOST + 8], code[SIGN_TEXT_SIZE];
    int n;

    *ret = 0;
    if (!http_parameter(req, "case", text))
        return ST_OK;
    if (!*text || strlen(text) > CASE_MOST)
        return error_set(err, ST_INVALID, "'case' must be 1 to %d bytes", CASE_MOST);
    n = snprintf(message, sizeof message, "case\n%s",
                 text); /* no data set is called so: no other code is equal */
    if (sign_hmac(key->bytes, sizeof key->bytes, message, (size_t)n, code) != ST_OK)
        return error_nomem(err);
    memcpy(ret, code, sizeof *ret); /* eight letters of base64: below 2^63, and never 0 */
    return ST_OK;
}
