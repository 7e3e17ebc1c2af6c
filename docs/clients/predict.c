/* A cxrd client in a page of C: predict URL IMAGE
 *
 * With libcurl and jansson: cc -o predict predict.c $(pkg-config --cflags --libs libcurl jansson)
 * The key, where the server asks for one, comes from the environment: CXRD_KEY. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reply {
    char *data;
    size_t n;
};

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
    struct reply *r = arg;
    char *grown = realloc(r->data, r->n + size * n);

    if (!grown)
        return 0; /* libcurl ends the transfer */
    memcpy(grown + r->n, bytes, size * n);
    r->data = grown;
    r->n += size * n;
    return size * n;
}

/* POST the file; the HTTP status, 0 where there was no reply. */
static long post(const char *url, FILE *picture, long size, struct reply *reply)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/octet-stream");
    const char *key = getenv("CXRD_KEY");
    char address[1024], authorization[512];
    long status = 0;

    snprintf(address, sizeof address, "%s/predict", url);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", key ? key : "");
    if (key)
        headers = curl_slist_append(headers, authorization);
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_READDATA, picture);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, size);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}

static void print_findings(const json_t *answer)
{
    const json_t *findings = json_object_get(answer, "findings");

    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);

        printf("%-20s %.9f\n", json_string_value(json_object_get(f, "label")),
               json_number_value(json_object_get(f, "probability")));
    }
    printf("%s\n", json_string_value(json_object_get(answer, "intended_use")));
}

int main(int argc, char **argv)
{
    FILE *picture = argc == 3 ? fopen(argv[2], "rb") : NULL;
    struct reply reply = { 0 };
    json_t *answer;
    long size, status;

    if (!picture || fseek(picture, 0, SEEK_END) != 0 || (size = ftell(picture)) < 0) {
        fprintf(stderr, "usage: predict URL IMAGE\n");
        return 2;
    }
    rewind(picture);
    status = post(argv[1], picture, size, &reply);
    fclose(picture);
    answer = json_loadb(reply.data ? reply.data : "", reply.n, 0, NULL);
    if (status == 200 && answer) {
        print_findings(answer);
    } else { /* application/problem+json has one sentence */
        const char *detail = json_string_value(json_object_get(answer, "detail"));

        fprintf(stderr, "%ld: %s\n", status, detail ? detail : "no reply from a cxrd server");
    }
    json_decref(answer);
    free(reply.data);
    return status == 200 ? 0 : 1;
}
