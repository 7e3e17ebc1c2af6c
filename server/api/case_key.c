/* server/api/case_key.c - see case_key.h. */
#include "case_key.h"

#include "cxrd/sign.h"

#include <string.h>
#include <sys/random.h>

enum status case_key_make(struct case_key *ret, struct error *err)
{
    if (getrandom(ret->secret, sizeof ret->secret, 0) != (ssize_t)sizeof ret->secret)
        return error_errno(err, ST_IO, "there are no random numbers");
    return ST_OK;
}

enum status case_parse(const struct case_key *key, const struct http_request *req, uint64_t *ret,
                       struct error *err)
{
    char text[PARAMETER_TEXT], code[SIGN_TEXT_SIZE];

    *ret = 0;
    if (!http_parameter(req, "case", text))
        return ST_OK;
    if (!*text || strlen(text) > CASE_MOST)
        return error_set(err, ST_INVALID, "'case' must be 1 to %d bytes", CASE_MOST);
    if (sign_hmac(key->secret, sizeof key->secret, text, strlen(text), code) != ST_OK)
        return error_nomem(err);
    memcpy(ret, code, sizeof *ret); /* eight letters of base64: below 2^63, and never 0 */
    return ST_OK;
}
