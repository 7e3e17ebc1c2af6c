/* server/http/accept.h - which of several forms of a reply a client would rather have: the lists of Accept and Accept-Encoding
 * (RFC 9110, sections 12.4.2 and 12.5). */
#ifndef SERVER_HTTP_ACCEPT_H
#define SERVER_HTTP_ACCEPT_H

enum { ACCEPT_MOST = 1000, ACCEPT_UNSAID = -1 };

/* How much a list wants a form, in thousandths: 0, not at all, to ACCEPT_MOST; ACCEPT_UNSAID: it does not speak of it.
 *   names  the form's, from the most special to the most general, NULL at the end: the first that is in the list counts. In any
 *          case; parameters other than the weight do not matter, and an invalid weight is 0 */
int accept_weight(const char *list, const char *const *names);

#endif
