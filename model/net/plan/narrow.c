/* model/net/plan/narrow.c - convolutions by Winograd, in integers of 12 bits: those whose sums fit. The others stay as they are. */
#include "steps.h"

static const struct {
    const struct op_kind *wide, *narrow;
} KINDS[] = { { &OP_WINOGRAD, &OP_WINOGRAD_INT12 }, { &OP_TILES, &OP_TILES_INT12 } };

void narrow(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct step *step = &s->steps[i];

        for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++)
            if (step->kind == KINDS[k].wide && step->node->in[0].c <= INT12_CHANNELS)
                step->kind = KINDS[k].narrow;
    }
}
