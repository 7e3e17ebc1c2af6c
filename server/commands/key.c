/* server/commands/key.c - cxrd key: make a key, and the line of the keys file that lets it in. */
#include "../http/keys.h"
#include "commands.h"

#include "cxrd/encoding.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { KEY_BYTES = 32 };

/* 256 random bits as 64 hexadecimal digits. */
static enum status make_key(char key[2 * KEY_BYTES + 1], struct error *err)
{
    unsigned char bytes[KEY_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return error_errno(err, ST_IO, "cannot get random bytes");
    hex_encode(bytes, sizeof bytes, key);
    explicit_bzero(bytes, sizeof bytes);
    return ST_OK;
}

static int key(int argc, char **argv)
{
    char text[2 * KEY_BYTES + 1], sha256[DIGEST_TEXT_SIZE], line[256];
    struct keys *keys = NULL;
    struct error err = { 0 };
    size_t n_arguments;
    int exit_status;
    enum status st;

    if (!command_begin(&COMMAND_KEY, argc, argv, NULL, &n_arguments, &exit_status))
        return exit_status;
    if (n_arguments != 2)
        return command_misuse(&COMMAND_KEY, "give a role, predict or admin, and a name");
    st = make_key(text, &err);
    if (st == ST_OK)
        st = digest_bytes(text, strlen(text), sha256);
    if (st == ST_OK) {
        const int n = snprintf(line, sizeof line, "%.20s %.128s %s", argv[1], argv[2], sha256);

        st = keys_parse(line, (size_t)n, &keys, &err); /* what it would be refused for, it is not given for */
    }
    if (st != ST_OK)
        return command_fail(&COMMAND_KEY, &err);
    keys_free(keys);
    puts(line);
    fprintf(stderr, "key: %s\n", text);
    explicit_bzero(text, sizeof text);
    return EXIT_DONE;
}

const struct command COMMAND_KEY = {
    "key",
    "ROLE NAME",
    "make a key, predict or admin: its line for the keys file on standard output, the key on standard error",
    NULL,
    key,
    2,
    .example = "cxrd key admin me >> keys",
};
