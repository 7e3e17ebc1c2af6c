/* server/api/routes.c - the whole HTTP surface on one page; openapi.yaml says the same, a test compares them. */
#include "routes.h"

#include "answer.h"
#include "handlers.h"
#include "input.h"

#include "cxrd/weights.h"

/* What is said of a patient, see INPUT_NAMES. */
#define PATIENT "age sex view history history_last course"

static const struct route TABLE[] = {
    /* method  path                    role          lane          max body         handler, at its head */
    { "POST", "/predict", ROLE_PREDICT, LANE_PREDICT, (size_t)MAX_BODY_UPLOAD, predict_post, predict_at_head,
      answer_waits, .query = "explain model operating_point case " PATIENT, .forms = true },
    { "POST", "/predict/heatmap", ROLE_PREDICT, LANE_PREDICT, (size_t)MAX_BODY_UPLOAD, heatmap_post,
      heatmap_at_head, answer_waits, .query = "label model " PATIENT, .forms = true },
    { "POST", "/predict/preview", ROLE_PREDICT, LANE_PREDICT, (size_t)MAX_BODY_UPLOAD, preview_post,
      preview_at_head, answer_waits, .query = "size", .forms = true },
    { "POST", "/dicom-web/studies", ROLE_PREDICT, LANE_RESULTS, (size_t)MAX_BODY_UPLOAD, studies_post,
      studies_at_head },
    { "POST", "/dicom-web/studies/{uid}", ROLE_PREDICT, LANE_RESULTS, (size_t)MAX_BODY_UPLOAD, studies_post,
      studies_at_head },
    { "GET", "/dicom-web/studies/{uid}", ROLE_PREDICT, LANE_FILES, 0, study_get },
    { "POST", "/jobs/train", ROLE_ADMIN, LANE_FILES, MAX_JSON, jobs_train_post, json_at_head },
    { "GET", "/datasets", ROLE_PREDICT, LANE_FILES, 0, datasets_get },
    { "POST", "/datasets", ROLE_ADMIN, LANE_FILES, MAX_JSON, datasets_post, datasets_at_head },
    { "GET", "/jobs", ROLE_PREDICT, LANE_FILES, 0, jobs_get, .query = "state type q limit cursor" },
    { "GET", "/jobs/{id}", ROLE_PREDICT, LANE_FILES, 0, job_get, .thing = "job" },
    { "PATCH", "/jobs/{id}", ROLE_ADMIN, LANE_FILES, MAX_JSON, job_patch, json_at_head, .thing = "job" },
    { "DELETE", "/jobs/{id}", ROLE_ADMIN, LANE_FILES, 0, job_delete, .thing = "job" },
    { "GET", "/jobs/{id}/events", ROLE_PREDICT, LANE_FILES, 0, job_events_get, .thing = "job" },
    { "GET", "/jobs/{id}/scores", ROLE_PREDICT, LANE_FILES, 0, job_scores_get, .query = "split",
      .thing = "job" },
    { "GET", "/jobs/{id}/compare", ROLE_PREDICT, LANE_FILES, 0, job_compare_get, .query = "with split",
      .thing = "job" },
    { "GET", "/jobs/{id}/report", ROLE_PREDICT, LANE_FILES, 0, job_report_get, .query = "copy",
      .thing = "job" },
    { "POST", "/jobs/{id}/cancel", ROLE_ADMIN, LANE_FILES, MAX_JSON, job_cancel_post, json_at_head,
      .thing = "job" },
    { "POST", "/jobs/{id}/resume", ROLE_ADMIN, LANE_FILES, MAX_JSON, job_resume_post, .thing = "job" },
    { "POST", "/patients/forget", ROLE_ADMIN, LANE_FILES, MAX_JSON, patients_forget_post, json_at_head },
    { "GET", "/patients/forgotten", ROLE_PREDICT, LANE_FILES, 0, patients_forgotten_get },
    { "GET", "/models", ROLE_PREDICT, LANE_FILES, 0, models_get, .query = "q limit cursor" },
    { "POST", "/models", ROLE_ADMIN, LANE_FILES, WEIGHTS_MAX_BYTES, models_post, models_at_head,
      .query = "labels architecture thresholds scaling resize image_size" },
    { "POST", "/models/rollback", ROLE_ADMIN, LANE_FILES, MAX_JSON, models_rollback_post },
    { "GET", "/models/{id}", ROLE_PREDICT, LANE_FILES, 0, model_get, .thing = "model" },
    { "PATCH", "/models/{id}", ROLE_ADMIN, LANE_FILES, MAX_JSON, model_patch, json_at_head,
      .thing = "model" },
    { "DELETE", "/models/{id}", ROLE_ADMIN, LANE_FILES, 0, model_delete, .thing = "model" },
    { "GET", "/models/{id}/weights", ROLE_PREDICT, LANE_FILES, 0, model_weights_get, .thing = "model" },
    { "GET", "/models/{id}/onnx", ROLE_PREDICT, LANE_FILES, 0, model_onnx_get, .thing = "model" },
    { "POST", "/models/{id}/activate", ROLE_ADMIN, LANE_FILES, MAX_JSON, model_activate_post,
      .thing = "model" },
    { "POST", "/predictions/{id}/feedback", ROLE_PREDICT, LANE_FILES, MAX_JSON, feedback_post, json_at_head,
      .thing = "prediction" },
    { "GET", "/feedback", ROLE_ADMIN, LANE_FILES, 0, feedback_get, .query = "model cursor" },
    { "GET", "/feedback/summary", ROLE_PREDICT, LANE_FILES, 0, feedback_summary_get, .query = "model" },
    { "GET", "/livez", ROLE_PUBLIC, LANE_PROBE, 0, livez_get },
    { "GET", "/healthz", ROLE_PUBLIC, LANE_PROBE, 0, livez_get },
    { "GET", "/readyz", ROLE_PUBLIC, LANE_PROBE, 0, readyz_get },
    { "GET", "/metrics", ROLE_PUBLIC, LANE_METRICS, 0, metrics_get },
    { "GET", "/version", ROLE_PUBLIC, LANE_INLINE, 0, version_get },
    { "GET", "/", ROLE_PUBLIC, LANE_INLINE, 0, page_get },
    { "GET", "/docs", ROLE_PUBLIC, LANE_INLINE, 0, docs_get },
    { "GET", "/ui/{file}", ROLE_PUBLIC, LANE_INLINE, 0, ui_get },
    { "GET", "/openapi.yaml", ROLE_PUBLIC, LANE_INLINE, 0, openapi_get },
};
const struct route_table ROUTES = { TABLE, sizeof TABLE / sizeof TABLE[0] };
