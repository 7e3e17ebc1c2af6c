/* tests/support/find_key.c - look a key up whose digest agrees with all there are in so many first digits, and no more: what
 * the tests count the instructions of, since a time says more of the machine than of the program.
 *
 *   find_key DIGITS     0..64; 64: it is one of them */
#include "server/http/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUESS "guess"

enum { KEYS = 16, DIGITS = DIGEST_TEXT_SIZE - 1 };

int main(int argc, char **argv)
{
    const unsigned long agree = argc == 2 ? strtoul(argv[1], NULL, 10) : DIGITS + 1;
    struct keys keys = { calloc(KEYS, sizeof *keys.keys), KEYS };
    const struct key *found;

    if (agree > DIGITS || !keys.keys)
        return 2;
    for (size_t i = 0; i < KEYS; i++) {
        char *digest = keys.keys[i].sha256;

        if (digest_bytes(GUESS, strlen(GUESS), digest) != ST_OK)
            return 2;
        for (size_t d = agree; d < DIGITS; d++) /* every digit from there on is another */
            digest[d] = digest[d] == '0' ? '1' : '0';
    }
    found = keys_find(&keys, GUESS, strlen(GUESS));
    puts(found ? "found" : "not found");
    free(keys.keys);
    return 0;
}
