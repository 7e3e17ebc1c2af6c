/* tests/unit/test_discover.c - which pictures are found, and that nothing outside the data set ever is: not by "..",
 * not by a link at any level, not by a pipe that would hang whoever opens it. */
#include "cxrd/dataset.h"
#include "cxrd/log.h"
#include "files.h"
#include "jobs/dataset/pictures.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(discover, .fini = check_no_leaks);
TestSuite(open_beneath, .fini = check_no_leaks);
TestSuite(pictures, .fini = check_no_leaks);

/* ---- paths ---- */

struct path_case {
    const char *path;
    bool as_path, as_pattern;
};

static const struct path_case PATHS[] = {
    { "a", true, true },
    { "a.png", true, true },
    { "images_001/images/a.png", true, true },
    { ".hidden", true, true },
    { "..a/b..", true, true },
    { "...", true, true },
    { "a b/\xc3\xa9.png", true, true },
    { "images_*/images/*.png", false, true },
    { "a?/[ab].png", false, true },
    { "", false, false },
    { "/", false, false },
    { "/etc/passwd", false, false },
    { "a/", false, false },
    { "a//b", false, false },
    { ".", false, false },
    { "..", false, false },
    { "./a", false, false },
    { "a/./b", false, false },
    { "a/.", false, false },
    { "../a", false, false },
    { "a/../b", false, false },
    { "a/..", false, false },
    { "*/../b", false, false },
    { "a\nb", false, false },
    { "a\x7f", false, false },
    { "a\\b", false, false },
    { "..\\a", false, false },
};

Test(paths, stay_below_their_folder)
{
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        const struct path_case *p = &PATHS[i];

        cr_assert_eq(relative_path_ok(p->path, false), p->as_path, "the path '%s'", p->path);
        cr_assert_eq(relative_path_ok(p->path, true), p->as_pattern, "the pattern '%s'", p->path);
    }
}

Test(paths, of_data_sets_have_no_part_that_begins_with_a_dot)
{
    static const char *const FINE[] = { "nih", "nih/half", "a.b", "a./b.", "a/b.c" };
    static const char *const WRONG[] = {
        ".nih", "..nih", "nih/.half", ".fetch-1/unpacked", "a/.b/c", "a*", ""
    };

    for (size_t i = 0; i < sizeof FINE / sizeof FINE[0]; i++)
        cr_assert(dataset_path_ok(FINE[i]), "'%s'", FINE[i]);
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        cr_assert_not(dataset_path_ok(WRONG[i]), "'%s'", WRONG[i]);
}

Test(paths, have_at_most_512_bytes_and_255_in_a_part)
{
    char path[600];

    memset(path, 'a', sizeof path);
    path[200] = path[400] = '/';
    path[512] = '\0';
    cr_assert(relative_path_ok(path, false));
    path[512] = 'a';
    path[513] = '\0';
    cr_assert_not(relative_path_ok(path, false), "513 bytes");
    path[255] = '\0';
    path[200] = 'a';
    cr_assert(relative_path_ok(path, false));
    path[255] = 'a';
    path[256] = '\0';
    cr_assert_not(relative_path_ok(path, false), "a part of 256 bytes");
}

/* ---- a scratch data set ---- */

struct place {
    char *folder;
    int root;
};

static struct place place_make(void)
{
    struct place p = { .folder = scratch_folder() };

    log_set_level(LOG_OFF);
    p.root = open(p.folder, O_RDONLY | O_DIRECTORY);
    cr_assert_geq(p.root, 0);
    return p;
}

static void place_release(struct place *p)
{
    close(p->root);
    scratch_remove(p->folder);
}

static void put(const struct place *p, const char *path) { write_text(path_in(p->folder, "%s", path), path); }

static void link_to(const struct place *p, const char *target, const char *path)
{
    cr_assert_eq(symlink(target, path_in(p->folder, "%s", path)), 0, "%s", path);
}

static void folder_at(const struct place *p, const char *path)
{
    struct error err = { 0 };

    cr_assert_eq(folder_make(path_in(p->folder, "%s", path), &err), ST_OK, "%s", err.text);
}

static struct picture_files *found(const struct place *p, const char *pattern)
{
    struct picture_files *f = NULL;
    struct error err = { 0 };

    cr_assert_eq(discover(p->root, pattern, 1, &f, &err), ST_OK, "%s", err.text);
    return f;
}

/* The pattern finds exactly the files of these names (NULL at the end). */
static void check_found(const struct place *p, const char *pattern, const char *const *names)
{
    struct picture_files *f = found(p, pattern);
    size_t n = 0;

    for (; names[n]; n++)
        cr_assert_neq(picture_find(f, names[n]), PICTURE_MISSING, "'%s' does not find '%s'", pattern,
                      names[n]);
    cr_assert_eq(picture_count(f), n, "'%s' finds %zu files, not %zu", pattern, picture_count(f), n);
    picture_files_free(f);
}
#define CHECK_FOUND(place, pattern, ...) \
    check_found(place, pattern, (const char *const[]){ __VA_ARGS__, NULL })
#define CHECK_NONE_FOUND(place, pattern) check_found(place, pattern, (const char *const[]){ NULL })

/* The contents of file `name`, through the descriptor that discovery keeps. */
static void check_content(const struct picture_files *f, const char *name, const char *expected)
{
    const int fd = picture_open(f, picture_find(f, name));
    char text[256] = "";

    cr_assert_geq(fd, 0, "'%s' cannot be opened", name);
    cr_assert_gt(read(fd, text, sizeof text - 1), 0);
    cr_assert_str_eq(text, expected);
    close(fd);
}

/* ---- what is found ---- */

Test(discover, finds_what_matches_and_nothing_else)
{
    struct place p = place_make();

    put(&p, "images_001/images/a.png");
    put(&p, "images_001/images/b.png");
    put(&p, "images_001/images/notes.txt");
    put(&p, "images_002/images/c.png");
    put(&p, "images_002/thumbs/d.png");
    put(&p, "pictures/images/e.png");
    put(&p, "images_003/f.png");
    put(&p, "g.png");
    CHECK_FOUND(&p, "images_*/images/*.png", "a.png", "b.png", "c.png");
    CHECK_FOUND(&p, "images_001/images/*", "a.png", "b.png", "notes.txt");
    CHECK_FOUND(&p, "*/*/[cde].png", "c.png", "d.png", "e.png");
    CHECK_FOUND(&p, "*.png", "g.png");
    CHECK_FOUND(&p, "images_002/thumbs/d.png", "d.png");
    CHECK_NONE_FOUND(&p, "images_*/*.jpg");
    CHECK_NONE_FOUND(&p, "nowhere/*.png");
    CHECK_NONE_FOUND(&p, "g.png/*.png");
    place_release(&p);
}

Test(discover, finds_each_of_many_files)
{
    struct place p = place_make();
    struct picture_files *f;

    for (int i = 0; i < 2500; i++)
        put(&p, path_in("images_001/images", "%04d.png", i * 7 % 2500));
    f = found(&p, "images_*/images/*.png");
    cr_assert_eq(picture_count(f), 2500);
    for (int i = 0; i < 2500; i++) {
        const char *path = path_in("images_001/images", "%04d.png", i);

        check_content(f, strrchr(path, '/') + 1, path);
    }
    cr_assert_eq(picture_find(f, "2500.png"), PICTURE_MISSING);
    cr_assert_eq(picture_find(f, ""), PICTURE_MISSING);
    picture_files_free(f);
    place_release(&p);
}

Test(discover, takes_a_name_that_is_in_two_folders_from_the_first)
{
    struct place p = place_make();
    struct picture_files *f;

    put(&p, "images_002/images/a.png");
    put(&p, "images_010/images/a.png");
    put(&p, "images_001/images/b.png");
    put(&p, "images_003/images/a.png");
    f = found(&p, "images_*/images/*.png");
    check_content(f, "a.png", "images_002/images/a.png");
    picture_files_free(f);
    place_release(&p);
}

Test(discover, leaves_hidden_files_and_folders_alone)
{
    struct place p = place_make();

    put(&p, "images_001/images/.a.png");
    put(&p, "images_001/images/._b.png");
    put(&p, "images_001/.images/c.png");
    put(&p, ".images_001/images/d.png");
    put(&p, "images_001/images/e.png");
    CHECK_FOUND(&p, "*/*/*", "e.png");
    CHECK_FOUND(&p, "images_*/images/*.png", "e.png");
    CHECK_NONE_FOUND(&p, ".images_001/images/*.png");
    CHECK_NONE_FOUND(&p, "images_001/images/.a.png");
    place_release(&p);
}

Test(discover, ignores_links_pipes_sockets_and_folders)
{
    struct place p = place_make(), outside = place_make();

    put(&outside, "images/secret.png");
    put(&p, "images_001/images/a.png");
    link_to(&p, path_in(outside.folder, "images/secret.png"), "images_001/images/link.png");
    link_to(&p, "a.png", "images_001/images/near.png");
    link_to(&p, "nothing", "images_001/images/dangling.png");
    link_to(&p, outside.folder, "images_002");
    link_to(&p, "images_001", "images_003");
    folder_at(&p, "images_004");
    link_to(&p, path_in(outside.folder, "images"), "images_004/images");
    folder_at(&p, "images_001/images/folder.png");
    cr_assert_eq(mkfifo(path_in(p.folder, "images_001/images/pipe.png"), 0600), 0);
    CHECK_FOUND(&p, "images_*/images/*.png", "a.png");
    place_release(&outside);
    place_release(&p);
}

Test(discover, refuses_patterns_that_leave_the_data_set)
{
    static const char *const PATTERNS[] = { "", "/tmp/*.png", "../*/*.png", "images/../../*.png",
                                            "a//*.png" };
    struct place p = place_make();

    for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++) {
        struct picture_files *f = NULL;
        struct error err = { 0 };

        check_refusal(PATTERNS[i], discover(p.root, PATTERNS[i], 1, &f, &err), ST_INVALID, &err, "pattern");
        cr_assert_null(f);
    }
    place_release(&p);
}

/* ---- formats ---- */

/* A release's tables and folders are as they are: ".png" in a pattern stands for its pictures, whatever they were made into. */
Test(discover, finds_pictures_in_whatever_form_they_are_there)
{
    struct place p = place_make();

    put(&p, "images_001/images/a.png");
    put(&p, "images_001/images/b.jpg");
    put(&p, "images_001/images/c.JPEG");
    put(&p, "images_001/images/d.dcm");
    put(&p, "images_001/images/e.Dicom");
    put(&p, "images_001/images/f.txt");
    put(&p, "images_001/images/jpg");
    CHECK_FOUND(&p, "images_*/images/*.png", "a.png", "b.png", "c", "d.jpg", "e.dicom");
    CHECK_FOUND(&p, "images_*/images/*.jpg", "b.png");
    CHECK_FOUND(&p, "images_*/images/*.jpeg", "c");
    CHECK_FOUND(&p, "images_*/images/*.dcm", "d");
    CHECK_FOUND(&p, "images_*/images/[de].d*", "d", "e");
    CHECK_FOUND(&p, "images_*/images/b.png", "b");
    place_release(&p);
}

/* A set that was trained on before there were other formats than PNG is trained on as it was. */
Test(discover, prefers_the_png_where_a_name_has_several_endings)
{
    struct place p = place_make();
    struct picture_files *f;

    put(&p, "images_001/images/a.jpg");
    put(&p, "images_002/images/a.png");
    put(&p, "images_003/images/a.jpg");
    put(&p, "images_003/images/b.dcm");
    put(&p, "images_003/images/b.jpg");
    f = found(&p, "images_*/images/*.png");
    cr_assert_eq(picture_count(f), 2);
    check_content(f, "a.jpg", "images_002/images/a.png");
    check_content(f, "b", "images_003/images/b.jpg");
    cr_assert_eq(picture_copies(f, picture_find(f, "a")), 1);
    picture_files_free(f);
    place_release(&p);
}

/* The head of a DICOM file, of which nothing else is needed; `fault` is what happens to it. */
enum fault { NO_FAULT, NO_MAGIC, NO_UID, LONG_UID, TEXT_UID, CUT };

static void put_dicom(const struct place *p, const char *path, const char *uid, enum fault fault)
{
    char head[512] = { 0 };
    size_t n = 128;
    FILE *file;

    put(p, path);
    memcpy(head + n, fault == NO_MAGIC ? "DICX" : "DICM", 4);
    n += 4;
    memcpy(head + n,
           "\2\0\0\0UL\4\0\0\0\0\0"
           "\2\0\1\0OB\0\0\2\0\0\0\0\1"
           "\2\0\2\0UI\4\0"
           "1.2",
           38);
    n += 38;
    if (fault != NO_UID) {
        memcpy(head + n, "\2\0\3\0UI", 6);
        head[n + 6] = (char)(fault == LONG_UID ? 66 : (strlen(uid) + 1) / 2 * 2);
        memset(head + n + 8, '1', fault == LONG_UID ? 66 : 0);
        memcpy(head + n + 8, fault == TEXT_UID ? "x" : uid, fault == TEXT_UID ? 1 : strlen(uid));
        n += 8 + (size_t)head[n + 6];
    }
    memcpy(head + n,
           "\10\0\30\0UI\4\0"
           "9.9",
           12);
    n = fault == CUT ? n - 4 : n + 12;
    file = fopen(path_in(p->folder, "%s", path), "wb");
    cr_assert(file && fwrite(head, 1, n, file) == n && fclose(file) == 0);
}

Test(discover, finds_a_dicom_file_by_its_uid_too)
{
    static const struct {
        const char *path, *uid;
        enum fault fault;
    } FILES[] = { { "a.dcm", "1.2.840.1", NO_FAULT }, { "b.DCM", "1.2.840.22", NO_FAULT },
                  { "c", "1.2.840.3", NO_FAULT },     { "1.2.840.4.dcm", "1.2.840.4", NO_FAULT },
                  { "e.dcm", "1.2.840.5", NO_MAGIC }, { "f.dcm", "1.2.840.6", NO_UID },
                  { "g.dcm", "1.2.840.7", LONG_UID }, { "h.dcm", "1.2.840.8", TEXT_UID },
                  { "i.dcm", "1.2.840.9", CUT },      { "j.png", "1.2.840.10", NO_FAULT } };
    static const bool IS_FOUND[] = { true, true, true, true, false, false, false, false, false, false };
    struct place p = place_make();
    struct picture_files *f;

    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++)
        put_dicom(&p, path_in("images", "%s", FILES[i].path), FILES[i].uid, FILES[i].fault);
    f = found(&p, "images/*");
    cr_assert_eq(picture_count(f), 10);
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        const int32_t by_name = picture_find(f, FILES[i].path), by_uid = picture_find(f, FILES[i].uid);
        const int fd = picture_open(f, by_name);

        cr_assert_neq(by_name, PICTURE_MISSING);
        cr_assert_geq(fd, 0);
        close(fd);
        cr_assert_eq(by_uid != PICTURE_MISSING, IS_FOUND[i], "%s", FILES[i].path);
        if (by_uid != PICTURE_MISSING)
            cr_assert_str_eq(picture_name(f, by_uid), FILES[i].path);
        if (by_uid != PICTURE_MISSING)
            cr_assert_eq(picture_copies(f, by_uid), 1);
    }
    picture_files_free(f);
    place_release(&p);
}

/* Two files that say they are one: a name cannot tell them apart. */
Test(discover, counts_files_of_one_uid_as_copies)
{
    struct place p = place_make();
    struct picture_files *f;
    struct error err = { 0 };
    size_t copies = 0;

    put_dicom(&p, "images/a.dcm", "1.2.3", NO_FAULT);
    put_dicom(&p, "images/b.dcm", "1.2.3", NO_FAULT);
    f = found(&p, "images/*.dcm");
    cr_assert_eq(picture_check_copies(f, "1.2.3", &copies, &err), ST_OK, "%s", err.text);
    cr_assert_eq(copies, 1);
    picture_files_free(f);
    place_release(&p);
}

/* CheXpert and MIMIC-CXR-JPG have a folder a study: more of them than files may be open. */
Test(discover, keeps_as_many_folders_as_there_are)
{
    enum { MANY = 1025 };
    struct place p = place_make();
    struct picture_files *f = NULL;
    struct error err = { 0 };

    for (int i = 0; i < MANY; i++)
        put(&p, path_in("many", "%04d/a.png", i));
    cr_assert_eq(discover(p.root, "many/*/*.png", 2, &f, &err), ST_OK, "%s", err.text);
    cr_assert_eq(picture_count(f), MANY);
    cr_assert_eq(picture_copies(f, picture_find(f, "0700/a.png")), 1);
    cr_assert_eq(picture_find(f, "a.png"), PICTURE_MISSING);
    picture_files_free(f);
    place_release(&p);
}

/* A name may be the last parts of the path: the folder says whose picture it is. */
Test(discover, tells_pictures_of_one_name_by_their_folders)
{
    struct place p = place_make();
    struct picture_files *f = NULL;
    struct error err = { 0 };
    int32_t i;
    int fd;

    put(&p, "train/patient1/study1/view1.png");
    put(&p, "train/patient1/study2/view1.png");
    put(&p, "train/patient2/study1/view1.PNG");
    cr_assert_eq(discover(p.root, "train/*/*/*.png", 3, &f, &err), ST_OK, "%s", err.text);
    cr_assert_eq(picture_count(f), 3);
    i = picture_find(f, "patient2/study1/view1");
    cr_assert_neq(i, PICTURE_MISSING);
    cr_assert_str_eq(picture_name(f, i), "patient2/study1/view1.PNG");
    fd = picture_open(f, i);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(picture_find(f, "patient2/study2/view1"), PICTURE_MISSING);
    picture_files_free(f);
    place_release(&p);
}

/* A pattern may have hundreds of parts, and the server counts on two descriptors: a folder and what lists it. */
Test(discover, holds_two_descriptors_however_deep_it_looks)
{
    enum { DEEP = 30 };
    char *root = scratch_folder(), folder[4096], pattern[4 * DEEP] = "";
    struct picture_files *files = NULL;
    struct rlimit all, few;
    struct error err = { 0 };
    int at, next, spare[3];
    enum status st;

    snprintf(folder, sizeof folder, "%s", root);
    for (int i = 0; i < DEEP; i++) {
        snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/d");
        snprintf(pattern + strlen(pattern), sizeof pattern - strlen(pattern), "*/");
        cr_assert_eq(mkdir(folder, 0700), 0);
    }
    snprintf(folder + strlen(folder), sizeof folder - strlen(folder), "/a.png");
    snprintf(pattern + strlen(pattern), sizeof pattern - strlen(pattern), "*.png");
    write_bytes(folder, "x", 1);
    at = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3; i++) /* the only ones that will be free: its own of the root, and two */
        spare[i] = dup(at);
    for (int i = 0; i < 3; i++)
        close(spare[i]);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = (struct rlimit){ (rlim_t)spare[2] + 1, all.rlim_max };
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    st = discover(at, pattern, 1, &files, &err);
    setrlimit(RLIMIT_NOFILE, &all);
    cr_assert_eq(st, ST_OK, "%s", err.text);
    cr_assert_eq(picture_count(files), 1);
    next = picture_open(files, 0);
    cr_assert_geq(next, 0, "it is found again");
    close(next);
    picture_files_free(files);
    close(at);
    scratch_remove(root);
}

Test(discover, reports_a_root_that_is_no_folder)
{
    struct place p = place_make();
    struct picture_files *f = NULL;
    struct error err = { 0 };
    int file;

    put(&p, "a");
    file = open(path_in(p.folder, "a"), O_RDONLY);
    check_refusal("a file", discover(file, "*.png", 1, &f, &err), ST_IO, &err, "folder");
    close(file);
    place_release(&p);
}

/* ---- opening beneath ---- */

static void check_open(const struct place *p, const char *path, int expected_errno)
{
    const int fd = open_beneath(p->root, path, O_RDONLY);

    if (expected_errno == 0)
        cr_assert_geq(fd, 0, "'%s': %s", path, strerror(errno));
    else
        cr_assert(fd < 0 && errno == expected_errno, "'%s': %d, %s", path, fd, strerror(errno));
    if (fd >= 0)
        close(fd);
}

Test(open_beneath, opens_files_and_folders_below_its_root)
{
    struct place p = place_make();

    put(&p, "a/b/c.txt");
    check_open(&p, "a/b/c.txt", 0);
    check_open(&p, "a/b", 0);
    check_open(&p, "a", 0);
    check_open(&p, "a/x", ENOENT);
    check_open(&p, "x/b", ENOENT);
    check_open(&p, "a/b/c.txt/d", ENOTDIR);
    cr_assert(open_beneath(p.root, "a/b/c.txt", O_RDONLY | O_DIRECTORY) < 0 && errno == ENOTDIR);
    place_release(&p);
}

Test(open_beneath, refuses_a_link_at_every_level)
{
    struct place p = place_make();

    put(&p, "a/b/c.txt");
    link_to(&p, "a", "first");
    link_to(&p, "b", "a/second");
    link_to(&p, "c.txt", "a/b/third");
    check_open(&p, "first/b/c.txt", ENOTDIR);
    check_open(&p, "a/second/c.txt", ENOTDIR);
    check_open(&p, "a/b/third", ELOOP);
    check_open(&p, "first", ELOOP);
    cr_assert(open_beneath(p.root, "first", O_RDONLY | O_DIRECTORY) < 0, "a link to a folder was opened");
    place_release(&p);
}

Test(open_beneath, refuses_paths_that_leave_its_root)
{
    static const char *const BAD[] = { "",     "/etc/passwd", "..",  "../x", "a/../../x",
                                       "a/..", "a//b",        "./a", "*" };
    struct place p = place_make();

    put(&p, "a/b");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        check_open(&p, BAD[i], EXDEV);
    place_release(&p);
}

Test(open_beneath, keeps_no_descriptor_but_the_one_it_returns)
{
    struct place p = place_make();
    size_t before, after;

    put(&p, "a/b/c.txt");
    before = count_entries("/proc/self/fd");
    for (int i = 0; i < 50; i++) {
        check_open(&p, "a/b/c.txt", 0);
        check_open(&p, "a/b/none", ENOENT);
        check_open(&p, "a/none/c.txt", ENOENT);
    }
    after = count_entries("/proc/self/fd");
    cr_assert_eq(after, before, "%zu descriptors, then %zu", before, after);
    cr_assert_neq(fcntl(p.root, F_GETFD), -1, "the root was closed");
    place_release(&p);
}

/* ---- pictures by row ---- */

/* A table with one row for each name, and its pictures among the files. */
struct shelf {
    struct place place;
    struct table table;
    struct picture_files *files;
    struct pictures pictures;
};

static struct shelf shelf_make(const char *rows)
{
    struct shelf s = { .place = place_make(), .table = TABLE_INIT };
    struct error err = { 0 };

    cr_assert_eq(table_read(rows, strlen(rows), "t.csv", &NIH_LABELS, &s.table, &err), ST_OK, "%s", err.text);
    return s;
}

static void shelf_open(struct shelf *s)
{
    s->files = found(&s->place, "images/*.png");
    s->pictures =
        (struct pictures){ .table = &s->table, .files = s->files, .pre = { 64, RESIZE_AREA, 0, 1 } };
}

static void shelf_release(struct shelf *s)
{
    picture_files_free(s->files);
    table_release(&s->table);
    place_release(&s->place);
}

#define COLUMNS "Image Index,Finding Labels,Patient ID,Patient Age\n"

static void check_not_loaded(const struct shelf *s, size_t row, enum status expected, const char *word)
{
    uint8_t grey[64 * 64];
    struct error err = { 0 };

    check_refusal(word, picture_load(&s->pictures, row, grey, &err), expected, &err, word);
    cr_assert_not_null(strstr(err.text, table_image(&s->table, row)), "'%s' does not name it", err.text);
}

Test(pictures, rows_without_a_file_are_left_out_and_counted)
{
    struct shelf s =
        shelf_make(COLUMNS "a.png,Mass,1,1\nb.png,Mass,1,1\n../c.png,Mass,1,1\nd.png,Mass,1,1\n");
    uint32_t index[] = { 0, 1, 2, 3 };
    struct rows rows = { 4, index };

    put(&s.place, "images/b.png");
    put(&s.place, "c.png");
    put(&s.place, "images/d.png");
    shelf_open(&s);
    cr_assert_eq(rows_keep_found(&s.table, s.files, &rows), 2);
    cr_assert(rows.n == 2 && index[0] == 1 && index[1] == 3);
    shelf_release(&s);
}

Test(pictures, load_gives_the_picture_at_the_networks_size)
{
    struct shelf s = shelf_make(COLUMNS "a.png,Mass,1,1\n");
    uint8_t grey[64 * 64], again[64 * 64];
    struct error err = { 0 };

    tiny_picture(path_in(s.place.folder, "images/a.png"), 3);
    shelf_open(&s);
    cr_assert_eq(picture_load(&s.pictures, 0, grey, &err), ST_OK, "%s", err.text);
    cr_assert_eq(picture_load(&s.pictures, 0, again, &err), ST_OK, "%s", err.text);
    cr_assert_arr_eq(grey, again, sizeof grey);
    cr_assert(grey[40 * 64] >= 190 && grey[20 * 64] < 190, "the band of row 3 is not where it was painted");
    shelf_release(&s);
}

Test(pictures, broken_or_missing_files_are_named_with_what_is_wrong)
{
    struct shelf s = shelf_make(COLUMNS "text.png,Mass,1,1\nempty.png,Mass,1,1\nnone.png,Mass,1,1\n");

    put(&s.place, "images/text.png");
    write_text(path_in(s.place.folder, "images/empty.png"), "");
    shelf_open(&s);
    check_not_loaded(&s, 0, ST_UNSUPPORTED, "cannot be used");
    check_not_loaded(&s, 1, ST_FORMAT, "cannot be used");
    errno = 0;
    check_not_loaded(&s, 2, ST_IO, "No such file");
    shelf_release(&s);
}

/* A picture that something else takes the place of between discovery and the first look. alarm(): if a pipe is waited
 * for, the test ends all the same. */
Test(pictures, what_became_a_pipe_a_socket_or_a_link_is_not_opened)
{
    struct shelf s = shelf_make(COLUMNS "pipe.png,Mass,1,1\nsocket.png,Mass,1,1\nlink.png,Mass,1,1\n"
                                        "folder.png,Mass,1,1\n");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    for (size_t row = 0; row < 4; row++)
        tiny_picture(path_in(s.place.folder, "images/%s", table_image(&s.table, row)), row);
    shelf_open(&s);
    for (size_t row = 0; row < 4; row++)
        cr_assert_eq(unlink(path_in(s.place.folder, "images/%s", table_image(&s.table, row))), 0);
    cr_assert_eq(mkfifo(path_in(s.place.folder, "images/pipe.png"), 0600), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/images/socket.png", s.place.folder);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    link_to(&s.place, "/etc/hostname", "images/link.png");
    folder_at(&s.place, "images/folder.png");
    alarm(60);
    check_not_loaded(&s, 0, ST_IO, "not a regular file");
    check_not_loaded(&s, 1, ST_IO, "cannot be opened");
    check_not_loaded(&s, 2, ST_IO, "cannot be opened");
    check_not_loaded(&s, 3, ST_IO, "not a regular file");
    close(listener);
    shelf_release(&s);
}

Test(pictures, stamp_is_that_of_regular_files_only_and_changes_with_them)
{
    struct place p = place_make();
    struct timespec times[2] = { { 1000, 5 }, { 1000, 6 } };
    uint64_t first, other_time, other_size;
    int fd, folder;

    put(&p, "a");
    fd = open(path_in(p.folder, "a"), O_RDWR);
    folder = open(p.folder, O_RDONLY);
    first = file_stamp(fd);
    cr_assert_neq(first, 0);
    cr_assert_eq(file_stamp(fd), first);
    cr_assert_eq(futimens(fd, times), 0);
    other_time = file_stamp(fd);
    cr_assert_neq(other_time, first);
    cr_assert_eq(write(fd, "more", 4), 4);
    cr_assert_eq(futimens(fd, times), 0);
    other_size = file_stamp(fd);
    cr_assert_neq(other_size, other_time, "a longer file has the same stamp");
    cr_assert_eq(file_stamp(folder), 0);
    cr_assert_eq(file_stamp(-1), 0);
    close(folder);
    close(fd);
    place_release(&p);
}
