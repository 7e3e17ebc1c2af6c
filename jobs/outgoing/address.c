/* jobs/outgoing/address.c - which network addresses may be reached.
 *
 * The IANA special-purpose registries (RFC 6890), as a table. Whatever carries another address inside (mapped, NAT64,
 * 6to4, Teredo) is refused as a whole: nobody has a reason to write a host that way, but to get past a check. So are the
 * addresses at which clouds hand out their machines' credentials, even where they look public or merely private. */
#include "allow.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

enum kind { PUBLIC, PRIVATE, LOOPBACK, REFUSED };

static const struct {
    uint32_t net;
    int bits;
    enum kind kind;
} V4[] = {
    { 0x00000000, 8, REFUSED },  /* this network */
    { 0x0a000000, 8, PRIVATE },  /* 10.0.0.0 */
    { 0x646464c8, 32, REFUSED }, /* 100.100.100.200: metadata */
    { 0x64400000, 10, PRIVATE }, /* 100.64.0.0, carrier-grade NAT */
    { 0x7f000000, 8, LOOPBACK }, /* 127.0.0.0 */
    { 0xa83f8110, 32, REFUSED }, /* 168.63.129.16: metadata */
    { 0xa9fe0000, 16, REFUSED }, /* 169.254.0.0, link-local; 169.254.169.254: metadata */
    { 0xac100000, 12, PRIVATE }, /* 172.16.0.0 */
    { 0xc0000000, 24, REFUSED }, /* 192.0.0.0, protocol assignments; 192.0.0.192: metadata */
    { 0xc0000200, 24, REFUSED }, /* 192.0.2.0, documentation */
    { 0xc0586300, 24, REFUSED }, /* 192.88.99.0, 6to4 relays */
    { 0xc0a80000, 16, PRIVATE }, /* 192.168.0.0 */
    { 0xc6120000, 15, REFUSED }, /* 198.18.0.0, benchmarks */
    { 0xc6336400, 24, REFUSED }, /* 198.51.100.0, documentation */
    { 0xcb007100, 24, REFUSED }, /* 203.0.113.0, documentation */
    { 0xe0000000, 3, REFUSED },  /* multicast, reserved, broadcast */
};

static const struct {
    uint8_t net[16];
    int bits;
    enum kind kind;
} V6[] = {
    { { [15] = 1 }, 128, LOOPBACK },
    { { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 }, 128, REFUSED }, /* metadata */
    { { 0xfc }, 7, PRIVATE },                                        /* unique local */
    { { 0x20, 0x01, 0x00 }, 23, REFUSED },                           /* protocol assignments, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, REFUSED },                     /* documentation */
    { { 0x20, 0x02 }, 16, REFUSED },                                 /* 6to4 */
    { { 0x3f, 0xff, 0x00 }, 20, REFUSED },                           /* documentation */
    { { 0x20 }, 3, PUBLIC },                                         /* global unicast; all else is refused */
};

static enum kind kind_of_v4(uint32_t address)
{
    for (size_t i = 0; i < sizeof V4 / sizeof V4[0]; i++)
        if ((address ^ V4[i].net) >> (32 - V4[i].bits) == 0)
            return V4[i].kind;
    return PUBLIC;
}

static bool begins_with(const uint8_t *address, const uint8_t *net, int bits)
{
    const int whole = bits / 8, rest = bits % 8;

    return memcmp(address, net, (size_t)whole) == 0 &&
           (rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0);
}

static enum kind kind_of_v6(const uint8_t address[16])
{
    for (size_t i = 0; i < sizeof V6 / sizeof V6[0]; i++)
        if (begins_with(address, V6[i].net, V6[i].bits))
            return V6[i].kind;
    return REFUSED;
}

const char *address_refusal(const struct sockaddr *address, enum trust trust)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    enum kind kind = REFUSED;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        kind = kind_of_v4(ntohl(v4.sin_addr.s_addr));
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        kind = kind_of_v6(v6.sin6_addr.s6_addr);
        if (kind == REFUSED && begins_with(v6.sin6_addr.s6_addr, (const uint8_t[16]){ 0 }, 80))
            return "an address that holds another one";
    }
    if (trust == TRUST_LOOPBACK)
        return kind == LOOPBACK ? NULL : "an address that is not loopback";
    if (kind == PUBLIC || trust == TRUST_LITERAL)
        return NULL;
    if (kind == REFUSED)
        return "a link-local, reserved or metadata address";
    if (trust == TRUST_PRIVATE)
        return NULL;
    return kind == LOOPBACK ? "a loopback address" : "a private address";
}
