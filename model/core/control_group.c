/* model/core/control_group.c - see control_group.h.
 *
 * A limit stands in the control group that sets it, which may be any of ours from the innermost to the root: systemd's
 * CPUQuota= is in system.slice/NAME.service, Kubernetes' limit in the pod's or the container's, and where the host's tree
 * is mounted there is no file at the root of it at all. So nothing is looked up at a fixed place: /proc/self/cgroup says
 * which group is ours, /proc/self/mountinfo where its tree is mounted and which part of it. Version 1 and version 2 may
 * both be there. */
#include "control_group.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 8192 };

struct tree {
    const char *root;       /* of everything, "" for the real one */
    const char *controller; /* whose tree of version 1 it may be */
    bool v2;
    char group[PATH_MAX]; /* ours, as /proc/self/cgroup names it */
    char part[PATH_MAX];  /* what of the tree is mounted: "/" all of it */
    char mount[PATH_MAX]; /* where */
};

/* ---- which group, mounted where ---- */

static bool list_has(const char *list, const char *word)
{
    const size_t n = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

/* "0::/system.slice/cxrd.service", or of version 1 "4:cpu,cpuacct:/docker/…". */
static bool parse_group(char *line, struct tree *ret)
{
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path)
        return false;
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    ret->v2 = strncmp(line, "0:", 2) == 0 && *controllers == '\0';
    return (ret->v2 || list_has(controllers, ret->controller)) &&
           snprintf(ret->group, sizeof ret->group, "%s", path) < (int)sizeof ret->group;
}

/* A blank in a path of mountinfo is \040. */
static bool unescape(const char *text, char ret[PATH_MAX])
{
    size_t n = 0;

    for (; *text && n + 1 < PATH_MAX; n++) {
        if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
            ret[n] = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            ret[n] = *text++;
        }
    }
    ret[n] = '\0';
    return *text == '\0';
}

/* "36 35 0:31 PART MOUNT rw,nosuid shared:9 - cgroup2 cgroup rw": whether it is the tree's. */
static bool parse_mount(char *line, struct tree *tree)
{
    char *type = strstr(line, " - "), *rest = NULL, *fields[5], *options = NULL;

    if (!type)
        return false;
    *type = '\0';
    type += 3;
    for (size_t i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i ? NULL : line, " ", &rest)))
            return false;
    type = strtok_r(type, " \n", &rest);
    for (char *word = strtok_r(NULL, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        options = word; /* the last one */
    if (!type || strcmp(type, tree->v2 ? "cgroup2" : "cgroup") != 0 ||
        (!tree->v2 && !(options && list_has(options, tree->controller))))
        return false;
    return unescape(fields[3], tree->part) && unescape(fields[4], tree->mount);
}

static FILE *open_below(const char *root, const char *path)
{
    char whole[PATH_MAX];

    return snprintf(whole, sizeof whole, "%s%s", root, path) < (int)sizeof whole ? fopen(whole, "re") : NULL;
}

static bool find_mount(struct tree *tree)
{
    FILE *f = open_below(tree->root, "/proc/self/mountinfo");
    char line[LINE_BYTES];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f))
        found = parse_mount(line, tree);
    if (f)
        fclose(f);
    return found;
}

/* ---- the way up ---- */

/* Our group as a path below the mount. A group outside of the part that is mounted cannot be seen: the mount itself is
 * then the nearest of ours, as in a container without a namespace of its own. */
static const char *below_mount(const struct tree *tree)
{
    const size_t n = strcmp(tree->part, "/") == 0 ? 0 : strlen(tree->part);

    if (strstr(tree->group, "/..") || strncmp(tree->group, tree->part, n) != 0)
        return "";
    return tree->group[n] == '/' && tree->group[n + 1] ? tree->group + n : "";
}

/* From our group up to where the tree is mounted. */
static void walk_up(const struct tree *tree, void (*visit)(void *arg, const char *folder, bool v2), void *arg)
{
    char folder[PATH_MAX];
    const size_t top = strlen(tree->root) + strlen(tree->mount);

    if (snprintf(folder, sizeof folder, "%s%s%s", tree->root, tree->mount, below_mount(tree)) >=
        (int)sizeof folder)
        return;
    for (;;) {
        char *slash = strrchr(folder, '/');

        visit(arg, folder, tree->v2);
        if (strlen(folder) <= top || !slash)
            return;
        *slash = '\0';
    }
}

void control_groups_visit(const char *root, const char *controller,
                          void (*visit)(void *arg, const char *folder, bool v2), void *arg)
{
    FILE *f = open_below(root, "/proc/self/cgroup");
    char line[LINE_BYTES];

    while (f && fgets(line, sizeof line, f)) {
        struct tree tree = { .root = root, .controller = controller };

        if (parse_group(line, &tree) && find_mount(&tree))
            walk_up(&tree, visit, arg);
    }
    if (f)
        fclose(f);
}

bool control_group_numbers(const char *folder, const char *name, long long *first, long long *second)
{
    char path[PATH_MAX], line[128], *end;
    FILE *f =
        snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path ? fopen(path, "re") : NULL;
    bool whole = f && fgets(line, sizeof line, f);

    if (f)
        fclose(f);
    if (!whole)
        return false;
    *first = strtoll(line, &end, 10);
    whole = end != line;
    if (whole && second) {
        char *begin = end;

        *second = strtoll(begin, &end, 10);
        whole = end != begin;
    }
    return whole;
}
