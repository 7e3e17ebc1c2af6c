/* tests/unit/test_accept.c - lists with weights: which form of a reply a client would rather have. */
#include "server/http/accept.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const char *const JSON[] = { "application/json", "application/*", "*/*", NULL };
static const char *const DICOM[] = { "application/dicom", NULL };
static const char *const GZIP[] = { "gzip", "*", NULL };

static void weighs(const char *list, const char *const *names, int weight)
{
    cr_assert_eq(accept_weight(list, names), weight, "'%s': %d", list, accept_weight(list, names));
}

Test(accept, a_form_is_found_by_its_name_in_any_case_among_blanks)
{
    weighs("application/dicom", DICOM, 1000);
    weighs("Application/DICOM", DICOM, 1000);
    weighs("text/html ,\tapplication/dicom ; q=0.5,*/*", DICOM, 500);
    weighs("application/dicom;transfer-syntax=1.2.840.10008.1.2.1;q=0.25", DICOM, 250);
    weighs("application/dicom+json", DICOM, ACCEPT_UNSAID);
    weighs("application/dico", DICOM, ACCEPT_UNSAID);
    weighs("*/*", DICOM, ACCEPT_UNSAID);
    weighs("", DICOM, ACCEPT_UNSAID);
    weighs(",,;,", DICOM, ACCEPT_UNSAID);
    weighs(";application/dicom", DICOM, ACCEPT_UNSAID);
}

Test(accept, the_most_special_name_counts_wherever_it_stands)
{
    weighs("*/*;q=0.9, application/*;q=0.1, application/json;q=0.5", JSON, 500);
    weighs("*/*;q=0.9, application/*;q=0.1", JSON, 100);
    weighs("*/*;q=0.9", JSON, 900);
    weighs("text/*, image/png", JSON, ACCEPT_UNSAID);
    weighs("gzip;q=0, *", GZIP, 0);
    weighs("identity, *;q=0.001", GZIP, 1);
}

Test(accept, a_weight_is_what_the_rfc_calls_one_or_nothing)
{
    static const struct {
        const char *weight;
        int thousandths;
    } WEIGHTS[] = { { "1", 1000 },   { "1.", 1000 },   { "1.000", 1000 }, { "0", 0 },     { "0.", 0 },
                    { "0.5", 500 },  { "0.123", 123 }, { "0.001", 1 },    { "1.001", 0 }, { "2", 0 },
                    { "0.1234", 0 }, { "-1", 0 },      { "nan", 0 },      { "1e3", 0 },   { "", 0 },
                    { ".5", 0 },     { "0,5", 0 },     { "\"1\"", 0 },    { "00.5", 0 },  { "0.x", 0 } };

    for (size_t i = 0; i < sizeof WEIGHTS / sizeof WEIGHTS[0]; i++) {
        char list[64];

        snprintf(list, sizeof list, "gzip; q=%s", WEIGHTS[i].weight);
        weighs(list, GZIP, WEIGHTS[i].thousandths);
        snprintf(list, sizeof list, "gzip;Q=%s;a=b", WEIGHTS[i].weight);
        weighs(list, GZIP, WEIGHTS[i].thousandths);
    }
}
