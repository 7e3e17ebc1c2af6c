/* tests/unit/test_outgoing.c - which addresses a socket is made to, which words are an address, and how a message is signed. */
#include "cxrd/encoding.h"
#include "cxrd/sign.h"
#include "jobs/outgoing/allow.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

static const char *refusal(const char *text, enum trust trust)
{
    struct sockaddr_storage address = { 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        cr_assert(false, "'%s' is no address", text);
    return address_refusal((struct sockaddr *)&address, trust);
}

static void check(const char *text, bool public, bool private, bool literal, bool loopback)
{
    const bool expected[] = { public, private, literal, loopback };
    static const enum trust TRUSTS[] = { TRUST_PUBLIC, TRUST_PRIVATE, TRUST_LITERAL, TRUST_LOOPBACK };

    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(refusal(text, TRUSTS[i]) == NULL, expected[i], "%s, trust %zu: %s", text, i,
                     refusal(text, TRUSTS[i]));
}

Test(addresses, of_strangers_are_asked)
{
    static const char *const PUBLIC[] = {
        "1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.1",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
        "172.32.0.0",      "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",
        "223.255.255.255", "2606:4700::1111", "2a00::1",         "2003::1",        "3ffe::1"
    };

    for (size_t i = 0; i < sizeof PUBLIC / sizeof PUBLIC[0]; i++)
        check(PUBLIC[i], true, true, true, false);
}

Test(addresses, of_private_networks_are_asked_where_that_is_said)
{
    static const char *const PRIVATE[] = { "10.0.0.0",        "10.255.255.255", "100.64.0.1",
                                           "100.127.255.255", "172.16.0.1",     "172.31.255.255",
                                           "192.168.0.1",     "fc00::1",        "fdff::1" };

    for (size_t i = 0; i < sizeof PRIVATE / sizeof PRIVATE[0]; i++)
        check(PRIVATE[i], false, true, true, false);
    check("127.0.0.1", false, true, true, true);
    check("127.255.255.255", false, true, true, true);
    check("::1", false, true, true, true);
}

Test(addresses, of_no_ones_business_are_asked_only_as_they_are_written)
{
    static const char *const REFUSED[] = {
        "0.0.0.0",         "0.1.2.3",    "169.254.0.1",     "169.254.169.254", "192.0.0.192",
        "192.0.2.1",       "198.18.0.1", "198.51.100.1",    "203.0.113.1",     "224.0.0.1",
        "239.1.1.1",       "240.0.0.1",  "255.255.255.255", "100.100.100.200", "168.63.129.16",
        "fe80::1",         "febf::1",    "fec0::1",         "ff02::1",         "fd00:ec2::254",
        "64:ff9b::7f00:1", "2001::1",    "2001:db8::1",     "2002:7f00:1::",   "3fff::1",
        "100::1",          "4000::1"
    };

    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        check(REFUSED[i], false, false, true, false);
}

Test(addresses, that_hold_another_one_are_never_asked)
{
    static const char *const HOLDING[] = { "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:1.1.1.1",
                                           "::127.0.0.1", "::" };

    for (size_t i = 0; i < sizeof HOLDING / sizeof HOLDING[0]; i++)
        check(HOLDING[i], false, false, false, false);
}

Test(addresses, of_another_kind_are_never_asked)
{
    const struct sockaddr unix_address = { .sa_family = AF_UNIX };

    cr_assert_not_null(address_refusal(&unix_address, TRUST_PRIVATE));
}

Test(nobody, is_allowed_where_nothing_is_configured)
{
    const struct outgoing_options options = { .private_hosts = "a.example" };
    struct outgoing *o = NULL;
    struct error err = { 0 };

    cr_assert_eq(outgoing_open(&options, &o, &err), ST_OK, "%s", err.text);
    cr_assert_not(outgoing_enabled(o, OUTGOING_NOTICE));
    cr_assert_not(outgoing_enabled(NULL, OUTGOING_NOTICE));
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://a.example/", &err), ST_INVALID);
    outgoing_close(o);
}

Test(hosts, are_allowed_for_their_use_and_port)
{
    const struct outgoing_options options = { .hosts = { "A.example, b.example:8443", "data.example" } };
    struct outgoing *o = NULL;
    struct error err = { 0 };

    cr_assert_eq(outgoing_open(&options, &o, &err), ST_OK, "%s", err.text);
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://a.EXAMPLE/x?y=z", &err), ST_OK, "%s", err.text);
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://a.example:443/", &err), ST_OK, "%s", err.text);
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://b.example:8443/", &err), ST_OK, "%s", err.text);
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://b.example/", &err), ST_INVALID);
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://a.example:8443/", &err), ST_INVALID);
    cr_assert_eq(outgoing_check(o, OUTGOING_NOTICE, "https://data.example/", &err), ST_INVALID);
    cr_assert_eq(outgoing_check(o, OUTGOING_DATA, "https://data.example/", &err), ST_OK, "%s", err.text);
    cr_assert_eq(outgoing_check(o, OUTGOING_DATA, "http://data.example:443/", &err), ST_INVALID);
    outgoing_close(o);
}

Test(codes, are_those_of_the_standards_own_example)
{
    static const char TEXT[] = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
    unsigned char key[64];
    char code[SIGN_TEXT_SIZE];
    size_t n = 0;

    cr_assert_eq(base64_decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", key, sizeof key, &n), ST_OK);
    cr_assert_eq(n, 24);
    cr_assert_eq(sign_hmac(key, n, TEXT, strlen(TEXT), code), ST_OK);
    cr_assert_str_eq(code, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

Test(base64, is_taken_whole_or_not_at_all)
{
    char bytes[8];
    size_t n = 9;

    cr_assert_eq(base64_decode("YWI=", bytes, sizeof bytes, &n), ST_OK);
    cr_assert(n == 2 && memcmp(bytes, "ab", 2) == 0);
    cr_assert_eq(base64_decode("YWJjZGVmZ2g=", bytes, sizeof bytes, &n), ST_OK);
    cr_assert(n == 8 && memcmp(bytes, "abcdefgh", 8) == 0);
    cr_assert_eq(base64_decode("YWJjZGVmZ2hp", bytes, sizeof bytes, &n), ST_LIMIT);
    cr_assert_eq(base64_decode("YWI", bytes, sizeof bytes, &n), ST_FORMAT);
    cr_assert_eq(base64_decode("Y?I=", bytes, sizeof bytes, &n), ST_FORMAT);
    cr_assert_eq(base64_decode("", bytes, sizeof bytes, &n), ST_FORMAT);
    cr_assert_eq(n, 8, "left alone");
}
