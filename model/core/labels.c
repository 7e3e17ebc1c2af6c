/* model/core/labels.c - see cxrd/labels.h. */
#include "cxrd/labels.h"

#include <string.h>

#define LABEL_LIST(X)       \
    X("Atelectasis")        \
    X("Cardiomegaly")       \
    X("Consolidation")      \
    X("Edema")              \
    X("Effusion")           \
    X("Emphysema")          \
    X("Fibrosis")           \
    X("Hernia")             \
    X("Infiltration")       \
    X("Mass")               \
    X("Nodule")             \
    X("Pleural_Thickening") \
    X("Pneumonia")          \
    X("Pneumothorax")

const char *const LABELS[N_LABELS] = {
#define X(name) name,
    LABEL_LIST(X)
#undef X
};

int label_index(const char *name, size_t n)
{
    for (int i = 0; i < N_LABELS; i++)
        if (strlen(LABELS[i]) == n && memcmp(LABELS[i], name, n) == 0)
            return i;
    return -1;
}

const char *labels_joined(void)
{
#define X(name) "," name
    return &LABEL_LIST(X)[1];
#undef X
}
