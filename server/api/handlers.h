/* server/api/handlers.h - the handlers of routes.c, each in the file of its topic. */
#ifndef SERVER_API_HANDLERS_H
#define SERVER_API_HANDLERS_H

#include "../http/http.h"

enum { MAX_JSON = 64 * 1024 }; /* bytes of a body that is JSON */

handler_fn predict_post, heatmap_post, preview_post, studies_post, study_get;
handler_fn jobs_train_post, jobs_predict_post, jobs_validate_post, jobs_get, job_get, job_scores_get,
    job_compare_get, job_report_get, job_cancel_post, job_resume_post, job_delete, job_patch;
handler_fn patients_forget_post, patients_forgotten_get;
handler_fn job_events_get, datasets_get, datasets_post;
handler_fn models_get, model_get, model_weights_get, model_onnx_get, models_post, model_activate_post;
handler_fn model_canary_put, model_canary_get, model_canary_delete;
handler_fn model_shadow_put, model_shadow_get, model_shadow_delete;
handler_fn model_signature_post, models_rollback_post, model_delete, model_patch;
handler_fn feedback_post, feedback_get, feedback_summary_get;
handler_fn model_profiles_get, model_profiles_post, model_profiles_rollback_post;
handler_fn profile_get, profile_delete, profile_activate_post, profile_deactivate_post, profile_kept_get;
handler_fn metrics_get, drift_get;

/* Their refusals before the body has come. */
handler_fn predict_at_head, heatmap_at_head, preview_at_head, studies_at_head, datasets_at_head,
    models_at_head;
handler_fn replicas_get;
handler_fn livez_get, readyz_get, version_get, openapi_get;
handler_fn page_get, docs_get, ui_get;

#endif
