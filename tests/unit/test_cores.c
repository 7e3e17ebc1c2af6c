/* tests/unit/test_cores.c - limits of cores and memory in trees as systemd, Docker and Kubernetes make them, of both versions. */
#include "cxrd/cores.h"
#include "cxrd/memory.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/cxrd-cores-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void make_root(void)
{
    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(root));
}

static void remove_root(void) { nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

/* A file below the root, and the folders that lead there. */
static void put(const char *path, const char *text)
{
    char whole[512];
    FILE *f;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    f = fopen(whole, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void put_v2(const char *group, const char *part)
{
    char text[512];

    snprintf(text, sizeof text, "0::%s\n", group);
    put("/proc/self/cgroup", text);
    snprintf(text, sizeof text,
             "21 20 0:5 / /proc rw - proc proc rw\n"
             "30 20 0:26 %s /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
             part);
    put("/proc/self/mountinfo", text);
}

static void finds(double quota, const char *source)
{
    const struct cores c = cores_find_below(root);
    const size_t whole = (size_t)quota + ((double)(size_t)quota < quota);

    cr_assert_float_eq(c.quota, quota, 1e-9, "%g", c.quota);
    cr_assert_str_eq(c.source, source);
    cr_assert_eq(c.usable, quota > 0 && whole < c.allowed ? whole : c.allowed, "%zu", c.usable);
}

TestSuite(quota, .init = make_root, .fini = remove_root);

Test(quota, of_a_service_is_the_one_of_systemd)
{
    put_v2("/system.slice/cxrd.service", "/");
    put("/sys/fs/cgroup/system.slice/cxrd.service/cpu.max", "50000 100000\n");
    put("/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
    finds(0.5, "/sys/fs/cgroup/system.slice/cxrd.service/cpu.max");
}

Test(quota, is_the_smallest_on_the_way_up)
{
    put_v2("/a/b/c", "/");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "25000 20000\n");
    put("/sys/fs/cgroup/a/other/cpu.max", "1000 100000\n");
    finds(1.25, "/sys/fs/cgroup/a/cpu.max");
}

Test(quota, of_a_container_stands_at_the_mount)
{
    put_v2("/", "/");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    finds(1, "/sys/fs/cgroup/cpu.max");
}

Test(quota, is_found_where_only_a_part_is_mounted)
{
    put_v2("/docker/0f/inner", "/docker/0f");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/inner/cpu.max", "max 100000\n");
    finds(2, "/sys/fs/cgroup/cpu.max");
    put_v2("/../elsewhere", "/");
    finds(2, "/sys/fs/cgroup/cpu.max");
    put_v2("/docker/0fx", "/docker/0f"); /* a neighbour by name */
    finds(2, "/sys/fs/cgroup/cpu.max");
}

Test(quota, of_version_1_is_seen_too)
{
    put("/proc/self/cgroup", "12:cpuset:/x\n4:cpu,cpuacct:/kubepods/pod1\n1:name=systemd:/x\n0::/x\n");
    put("/proc/self/mountinfo",
        "31 20 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "32 20 0:28 / /sys/fs/cgroup/cpu\\040and rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
        "33 20 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/cpu and/kubepods/pod1/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu and/kubepods/pod1/cpu.cfs_period_us", "100000\n");
    finds(0, "");
    put("/sys/fs/cgroup/cpu and/kubepods/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu and/kubepods/cpu.cfs_period_us", "100000\n");
    finds(1.5, "/sys/fs/cgroup/cpu and/kubepods/cpu.cfs_quota_us");
}

Test(quota, is_none_where_nothing_says_so)
{
    finds(0, "");
    put_v2("/system.slice/cxrd.service", "/");
    finds(0, "");
    put("/sys/fs/cgroup/system.slice/cxrd.service/cpu.max", "");
    finds(0, "");
    put("/sys/fs/cgroup/system.slice/cxrd.service/cpu.max", "nonsense\n");
    finds(0, "");
    put("/sys/fs/cgroup/system.slice/cxrd.service/cpu.max", "0 0\n");
    finds(0, "");
    put("/proc/self/mountinfo", "x\n - \n1 2 3 - cgroup2\n");
    put("/proc/self/cgroup", "\n:\n0:\n0::\n::::\n");
    finds(0, "");
}

TestSuite(memory, .init = make_root, .fini = remove_root);

/* The machine that tests may have more than 8 MB. */
enum { MB = 1 << 20 };

Test(memory, of_a_container_is_its_limit)
{
    const double machine = memory_usable_below(root);

    put_v2("/", "/");
    cr_assert_eq(memory_usable_below(root), machine);
    put("/sys/fs/cgroup/memory.max", "max\n");
    cr_assert_eq(memory_usable_below(root), machine);
    put("/sys/fs/cgroup/memory.max", "8388608\n");
    cr_assert_eq(memory_usable_below(root), 8 * MB);
    put("/sys/fs/cgroup/memory.max", "nonsense\n");
    cr_assert_eq(memory_usable_below(root), machine);
    put("/sys/fs/cgroup/memory.max", "9223372036854771712\n"); /* more than any machine has */
    cr_assert_eq(memory_usable_below(root), machine);
}

Test(memory, is_the_least_on_the_way_up)
{
    put_v2("/a/b/c", "/");
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "6291456\n");
    put("/sys/fs/cgroup/a/memory.max", "8388608\n");
    put("/sys/fs/cgroup/a/other/memory.max", "1048576\n");
    cr_assert_eq(memory_usable_below(root), 6 * MB);
}

Test(memory, of_version_1_is_seen_too)
{
    put("/proc/self/cgroup", "9:memory:/kubepods/pod1\n4:cpu,cpuacct:/x\n0::/x\n");
    put("/proc/self/mountinfo", "31 20 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                "32 20 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n");
    put("/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/cpu/kubepods/pod1/memory.limit_in_bytes", "1048576\n");
    put("/sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes", "7340032\n");
    cr_assert_eq(memory_usable_below(root), 7 * MB);
}

Test(cores, are_those_that_the_scheduler_allows)
{
    cpu_set_t mask;
    size_t first = 0;

    cr_assert_eq(sched_getaffinity(0, sizeof mask, &mask), 0);
    while (!CPU_ISSET(first, &mask))
        first++;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    cr_assert_eq(sched_setaffinity(0, sizeof mask, &mask), 0);
    cr_assert_eq(cores_find().allowed, 1);
    cr_assert_eq(cores_available(), 1);
}
