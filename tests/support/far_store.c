/* tests/support/far_store.c - see far_store.h. */
#include "far_store.h"

#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store *far;
static char *proxy_folder, far_path[4200];

/* Our server's address has "?host=FOLDER&…". */
static void find_server(char ret_folder[200], const char **ret_rest)
{
    const char *at = strstr(store_path, "host=");
    size_t n;

    cr_assert_not_null(at);
    n = strcspn(at + 5, "&");
    snprintf(ret_folder, 200, "%.*s", (int)n, at + 5);
    *ret_rest = at + 5 + n;
}

const char *far_place(void) { return far_path; }

enum status far_try(struct error *err) { return store_open(far_path, &far, err); }

void far_open(void)
{
    struct error err = { 0 };

    cr_assert_eq(far_try(&err), ST_OK, "%s (%s)", err.text, err.inner);
}

void far_close(void)
{
    store_close(far);
    far = NULL;
}

void far_begin(void)
{
    char server_folder[200];
    const char *rest;

    store_case_begin();
    if (store_is_file())
        return;
    find_server(server_folder, &rest);
    proxy_folder = scratch_folder();
    proxy_begin(server_folder, proxy_folder);
    snprintf(far_path, sizeof far_path, "postgresql:///postgres?host=%s%s", proxy_folder, rest);
    far_open();
}

void far_end(void)
{
    if (!store_is_file()) {
        far_close();
        proxy_end();
        scratch_remove(proxy_folder);
    }
    store_case_end();
}

void needs_server(void)
{
    if (store_is_file())
        cr_skip_test("this is about a PostgreSQL server");
}

int number(const char *sql) { return (int)strtol(asked(sql), NULL, 10); }

void lease_ran_out(void) { changed("UPDATE leases SET until = 1"); }
