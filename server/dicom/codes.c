/* server/dicom/codes.c - see codes.h. */
#include "codes.h"

#include "cxrd/digest.h"

#include <stdio.h>
#include <string.h>

/* The names of ChestX-ray14, and names of other chest data sets that mean what the code does. Pleural_Thickening is not here: no
 * code of it was found in a source that could be relied on. */
static const struct {
    const char *label;
    struct dicom_code code;
} KNOWN[] = {
    { "Atelectasis", { "46621007", "SCT", "Atelectasis" } },
    { "Cardiomegaly", { "8186001", "SCT", "Cardiomegaly" } },
    { "Consolidation", { "95436008", "SCT", "Lung consolidation" } },
    { "Edema", { "19242006", "SCT", "Pulmonary edema" } },
    { "Effusion", { "60046008", "SCT", "Pleural effusion" } },
    { "Pleural Effusion", { "60046008", "SCT", "Pleural effusion" } },
    { "Emphysema", { "87433001", "SCT", "Pulmonary emphysema" } },
    { "Fibrosis", { "51615001", "SCT", "Fibrosis of lung" } },
    { "Hernia", { "39839004", "SCT", "Diaphragmatic hernia" } },
    { "Infiltration", { "112121", "DCM", "Infiltrate" } },
    { "Mass", { "4147007", "SCT", "Mass" } },
    { "Nodule", { "27925004", "SCT", "Nodule" } },
    { "Pneumonia", { "233604007", "SCT", "Pneumonia" } },
    { "Pneumothorax", { "36118008", "SCT", "Pneumothorax" } },
};

enum status finding_code_of(const char *label, enum charset_kind kind, struct finding_code *ret)
{
    char digest[DIGEST_TEXT_SIZE];
    enum status st;

    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (strcmp(KNOWN[i].label, label) == 0) {
            ret->code = KNOWN[i].code;
            return ST_OK;
        }
    st = digest_bytes(label, strlen(label), digest);
    if (st != ST_OK)
        return st;
    snprintf(ret->value, sizeof ret->value, "F-%.14s", digest);
    charset_show(kind, label, ret->meaning, sizeof ret->meaning);
    ret->code = CODE_OWN(ret->value, ret->meaning);
    return ST_OK;
}
