/* model/foreign/lists.c - see lists.h. */
#include "lists.h"

#include <string.h>

struct list {
    const char *name, *items;
};

static const struct list LABELS[] = {
    /* Rajpurkar et al., "CheXNet", arXiv:1711.05225: the order of Wang et al., CVPR 2017 */
    { "chexnet",
      "Atelectasis,Cardiomegaly,Effusion,Infiltration,Mass,Nodule,Pneumonia,Pneumothorax,Consolidation,"
      "Edema,Emphysema,Fibrosis,Pleural_Thickening,Hernia" },
    /* Irvin et al., "CheXpert", AAAI 2019: the columns of its tables */
    { "chexpert",
      "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,"
      "Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices" },
    /* torchxrayvision.datasets.default_pathologies */
    { "xrv",
      "Atelectasis,Consolidation,Infiltration,Pneumothorax,Edema,Emphysema,Fibrosis,Effusion,Pneumonia,"
      "Pleural_Thickening,Cardiomegaly,Nodule,Mass,Hernia,Lung Lesion,Fracture,Lung Opacity,"
      "Enlarged Cardiomediastinum" },
};

/* torchxrayvision.models.model_urls: op_threshs */
static const struct list THRESHOLDS[] = {
    { "densenet121-res224-all", "0.07422872,0.038290843,0.09814756,0.0098118475,0.023601074,0.0022490358,0."
                                "010060724,0.103246614,0.056810737,"
                                "0.026791653,0.050318155,0.023985857,0.01939503,0.042889766,0.053369623,0."
                                "035975814,0.20204692,0.05015312" },
    { "densenet121-res224-nih",
      "0.039117552,0.0034529066,0.11396341,0.0057298196,0.00045666535,0.0018880932,0.012037827,0.038744126,"
      "0.0037213727,0.014730946,0.016149804,0.054241467,0.037198864,0.0004403434,nan,nan,nan,nan" },
    { "densenet121-res224-pc",
      "0.031012505,0.013347598,0.081435576,0.001262615,0.002587246,0.0035944257,0.0023071,0.055412333,0."
      "044385884,"
      "0.042766232,0.043258056,0.037629247,0.005658899,0.0091741895,nan,0.026507627,nan,nan" },
    { "densenet121-res224-chex",
      "0.1988969,0.05710573,nan,0.0531293,0.1435217,nan,nan,0.27212676,0.07749717,nan,0.19712369,nan,nan,nan,"
      "0.09932402,0.09273402,0.3270967,0.10888247" },
    { "densenet121-res224-rsna",
      "nan,nan,nan,nan,nan,nan,nan,nan,0.13486601,nan,nan,nan,nan,nan,nan,nan,0.13511065,nan" },
    { "densenet121-res224-mimic_nb", "0.08558747,0.011884617,nan,0.0040595434,0.010733786,nan,nan,0."
                                     "118761964,0.022924708,nan,0.06358637,nan,nan,nan,"
                                     "0.022143636,0.017476924,0.1258702,0.014020768" },
    { "densenet121-res224-mimic_ch", "0.09121389,0.010573786,nan,0.005023008,0.003698257,nan,nan,0.08001232,"
                                     "0.037242252,nan,0.05006329,nan,nan,nan,"
                                     "0.019866971,0.03823637,0.11303808,0.0069147074" },
};

static const char *find(const struct list *lists, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(lists[i].name, name) == 0)
            return lists[i].items;
    return NULL;
}

const char *labels_list(const char *name) { return find(LABELS, sizeof LABELS / sizeof LABELS[0], name); }

const char *thresholds_list(const char *name)
{
    return find(THRESHOLDS, sizeof THRESHOLDS / sizeof THRESHOLDS[0], name);
}
