/* tests/support/onnx_network.h - a small network of ONNX, by hand, that tests write otherwise or spoil. */
#ifndef SUPPORT_ONNX_NETWORK_H
#define SUPPORT_ONNX_NETWORK_H

#include "cxrd/onnx.h"
#include "onnx_craft.h"

enum { SIZE = 64, LABELS = 3 };
#define DIMS(...) \
    (sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

extern const struct import_options ONNX_OPTIONS;

/* Read the file, which ends where memory ends. */
enum status craft_read(const struct craft *c, const struct import_options *o, struct model **ret,
                       json_t *report, struct error *err);
/* The file is refused with ST_FORMAT and a sentence of this word. It is gone. */
void check_refused(struct craft *c, const char *word);

/* The logits of one picture, whose grey values only the seed decides. */
void logits_of(const struct craft *c, const struct import_options *o, float *ret_logits);
/* Two files of the same network, which answers something. Both are gone. */
void check_same(struct craft *a, struct craft *b);

/* The network's parts: image [n,1,64,64] -> convolution 3x3 by 2 -> "conv" [n,4,31,31] -> the mean -> dense -> "out". */
void begin(struct craft *c);
Onnx__NodeProto *conv(struct craft *c, const char *inputs, const char *output);
void body(struct craft *c);
/* `from` [n,4,*,*] -> the mean -> dense -> "out". */
void head(struct craft *c, const char *from);
void head_called(struct craft *c, const char *from, const char *output);
/* All of them, with Relu between. */
void plain(struct craft *c);

#endif
