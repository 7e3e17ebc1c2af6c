/* server/commands/reply_text.h - an answer of /predict for a person to read. */
#ifndef SERVER_COMMANDS_REPLY_TEXT_H
#define SERVER_COMMANDS_REPLY_TEXT_H

#include <jansson.h>

/* On standard output: the picture's name, then its findings, highest first, with verdict, warnings and explanation. */
void reply_print(const char *picture, const json_t *reply);

#endif
