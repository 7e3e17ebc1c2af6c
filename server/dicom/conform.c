/* server/dicom/conform.c - see conform.h. */
#include "conform.h"

#include <string.h>

enum { NAME_CHARACTERS = 64, NAME_GROUPS = 3, NAME_COMPONENTS = 5 };

const char *conform_charset(const char *specific)
{
    return charset_kind_of(specific) == CHARSET_ASCII ? "" : specific;
}

const char *conform_string(enum charset_kind kind, const char *text, size_t max_characters)
{
    struct charset_at at = { .kind = kind };
    size_t characters = 0;

    for (const char *c = text; *c;) {
        bool counted;
        const size_t n = charset_next(&at, c, &counted);

        if (n == 0 || (n == 1 && *c == '\\'))
            return "";
        characters += counted;
        c += n;
    }
    return characters <= max_characters ? text : "";
}

/* Up to three groups (letters, ideograms, sounds) with '=' between them, each of up to five components with '^' between them. */
const char *conform_name(enum charset_kind kind, const char *text)
{
    struct charset_at at = { .kind = kind };
    size_t groups = 1, components = 1, characters = 0;

    for (const char *c = text; *c;) {
        bool counted;
        const size_t n = charset_next(&at, c, &counted);

        if (n == 0 || (n == 1 && *c == '\\'))
            return "";
        characters += counted;
        components += n == 1 && *c == '^';
        if (n == 1 && *c == '=') {
            groups++;
            characters = 0;
            components = 1;
        }
        if (groups > NAME_GROUPS || components > NAME_COMPONENTS || characters > NAME_CHARACTERS)
            return "";
        c += n;
    }
    return text;
}

static bool are_digits(const char *text, size_t n) { return strspn(text, "0123456789") >= n; }

static unsigned number(const char *digits, size_t n)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++)
        v = v * 10 + (unsigned)(digits[i] - '0');
    return v;
}

const char *conform_date(const char *text)
{
    static const unsigned DAYS[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    unsigned year, month, day;

    if (strlen(text) != 8 || !are_digits(text, 8))
        return "";
    year = number(text, 4);
    month = number(text + 4, 2);
    day = number(text + 6, 2);
    if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1])
        return "";
    if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
        return "";
    return text;
}

const char *conform_time(const char *text)
{
    const size_t n = strspn(text, "0123456789");
    const char *point = text + n;

    if ((n != 2 && n != 4 && n != 6) || number(text, 2) > 23 || (n >= 4 && number(text + 2, 2) > 59) ||
        (n == 6 && number(text + 4, 2) > 60))
        return "";
    if (*point == '\0')
        return text;
    if (n != 6 || *point != '.' || !are_digits(point + 1, 1) || strlen(point + 1) > 6 ||
        !are_digits(point + 1, strlen(point + 1)))
        return "";
    return text;
}

const char *conform_sex(const char *text) { return strlen(text) == 1 && strchr("MFO", text[0]) ? text : ""; }
