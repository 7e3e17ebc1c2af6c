/* server/api/app.c - the parts of app.h, for those that see no more of it. */
#include "app.h"

const struct serving *app_serving(const struct app *app) { return &app->serving; }
const struct work *app_work(const struct app *app) { return &app->work; }
const struct accounting *app_accounting(const struct app *app) { return &app->accounting; }
