/* tests/unit/test_hosts.c - hosts and origins as they are written: what comes of them, and what is said against them. */
#include "cxrd/hosts.h"

#include <criterion/criterion.h>
#include <string.h>

static void reads(const char *text, enum host_form form, enum host_scheme scheme, const char *name,
                  unsigned port, bool literal)
{
    struct host h;
    const char *fault = host_read(text, strlen(text), form, &h);

    cr_assert_null(fault, "'%s': %s", text, fault);
    cr_assert_str_eq(h.name, name);
    cr_assert(h.scheme == scheme && h.port == port && h.literal == literal, "'%s': %u", text, h.port);
}

static void refuses(const char *text, enum host_form form, const char *says)
{
    struct host h = { .port = 4711 };
    const char *fault = host_read(text, strlen(text), form, &h);

    cr_assert_not_null(fault, "'%s'", text);
    cr_assert_not_null(strstr(fault, says), "'%s': %s", text, fault);
    cr_assert_eq(h.port, 4711, "left alone");
}

Test(host, is_a_name_or_an_address_with_or_without_a_port)
{
    reads("A.Example", FORM_HOST, SCHEME_NONE, "a.example", 0, false);
    reads("a-b_c.example:8080", FORM_HOST, SCHEME_NONE, "a-b_c.example", 8080, false);
    reads("192.0.2.1", FORM_HOST, SCHEME_NONE, "192.0.2.1", 0, true);
    reads("[2001:DB8:0:0::1]", FORM_HOST, SCHEME_NONE, "[2001:db8::1]", 0, true);
    reads("[::1]:65535", FORM_HOST, SCHEME_NONE, "[::1]", 65535, true);
    reads("1a.example", FORM_HOST, SCHEME_NONE, "1a.example", 0, false);
    reads("xn--mnchen-3ya.example", FORM_HOST, SCHEME_NONE, "xn--mnchen-3ya.example", 0, false);
}

Test(host, has_the_port_of_its_scheme)
{
    reads("https://a.example", FORM_ORIGIN, SCHEME_HTTPS, "a.example", 443, false);
    reads("HTTP://a.example:80", FORM_ORIGIN, SCHEME_HTTP, "a.example", 80, false);
    reads("http://[::1]:3000", FORM_ORIGIN, SCHEME_HTTP, "[::1]", 3000, true);
    reads("a.example", FORM_OUTGOING, SCHEME_HTTPS, "a.example", 443, false);
    reads("https://a.example:8443", FORM_OUTGOING, SCHEME_HTTPS, "a.example", 8443, false);
    reads("http://localhost:9000", FORM_OUTGOING, SCHEME_HTTP, "localhost", 9000, false);
    refuses("http://a.example", FORM_OUTGOING, "loopback");
    refuses("http://127.0.0.1.example", FORM_OUTGOING, "loopback");
}

Test(host, is_refused_with_its_reason)
{
    static const char *const FAULTS[][2] = {
        { "", "empty" },
        { "a.example/", "slash" },
        { "a.example/x/", "path" },
        { "//a.example", "path" },
        { "*.example", "wildcards" },
        { "::1", "brackets" },
        { "[::1]x", "bracket" },
        { "[::1%25lo]", "zone" },
        { "[::ffff:1.2.3.4.5]", "IPv6" },
        { "a.example:00000", "1..65535" },
        { "a.example:4294967376", "1..65535" },
        { "a.example:18446744073709551696", "1..65535" },
        { "1.2.3", "192.0.2.1" },
        { "01.2.3.4", "192.0.2.1" },
        { "a.0x7f", "192.0.2.1" },
        { "a\x01", "control" },
        { "\xc3\xa4.example", "xn--" },
        { "a-.example", "name" },
    };

    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
        refuses(FAULTS[i][0], FORM_HOST, FAULTS[i][1]);
    refuses("https://a.example", FORM_HOST, "scheme");
    refuses("a.example", FORM_ORIGIN, "scheme");
    refuses("null", FORM_ORIGIN, "scheme");
}

Test(host, of_any_length_is_read_or_refused)
{
    char text[1024] = "";
    struct host h;

    for (size_t n = 0; n < sizeof text; n++) {
        for (size_t i = 0; i < n; i++)
            text[i] = i % 50 == 49 ? '.' : 'a';
        cr_assert((host_read(text, n, FORM_HOST, &h) == NULL) == (n > 0 && n <= 253 && n % 50 != 0), "%zu",
                  n);
        memset(text, '1', n);
        cr_assert_not_null(host_read(text, n, FORM_HOST, &h));
        text[0] = '[';
        cr_assert_not_null(host_read(text, n, FORM_HOST, &h));
    }
}

Test(list, is_read_whole_or_not_at_all)
{
    struct host_list list = { 0 };
    struct error err = { 0 };

    cr_assert_eq(host_list_read(NULL, FORM_HOST, &list, &err), ST_OK);
    cr_assert_eq(list.n, 0);
    cr_assert_eq(host_list_read("a.example, b.example/ ,c.example", FORM_HOST, &list, &err), ST_INVALID);
    cr_assert_str_eq(
        err.text,
        "must be HOST or HOST:PORT, with commas between several, not 'b.example/': it ends in a slash");
    cr_assert_eq(list.n, 0, "left alone");
    cr_assert_eq(host_list_read("a.example,", FORM_HOST, &list, &err), ST_INVALID);
    cr_assert_eq(host_list_read(" a.example\t,\n b.example:80 ", FORM_HOST, &list, &err), ST_OK, "%s",
                 err.text);
    cr_assert_eq(list.n, 2);
    cr_assert_str_eq(list.hosts[1].name, "b.example");
    host_list_release(&list);
}

static bool has(const struct host_list *list, const char *text, enum host_form form)
{
    struct host h;

    return host_read(text, strlen(text), form, &h) == NULL && host_list_has(list, &h);
}

Test(list, matches_ports_where_it_names_them)
{
    struct host_list list = { 0 };

    cr_assert_eq(host_list_read("a.example,b.example:8080,c.example:443", FORM_HOST, &list, NULL), ST_OK);
    cr_assert(has(&list, "A.example", FORM_HOST) && has(&list, "a.example:9", FORM_HOST));
    cr_assert(has(&list, "b.example:8080", FORM_HOST) && !has(&list, "b.example", FORM_HOST));
    cr_assert(has(&list, "c.example", FORM_HOST) && !has(&list, "c.example:80", FORM_HOST));
    cr_assert_not(has(&list, "https://a.example", FORM_ORIGIN));
    host_list_release(&list);
}
