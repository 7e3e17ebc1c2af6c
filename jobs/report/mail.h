/* jobs/report/mail.h - what the copy for mailing is made from: a record and plots that tell of no single patient. */
#ifndef JOBS_REPORT_MAIL_H
#define JOBS_REPORT_MAIL_H

#include "cxrd/report.h"

/* New references, NULL without memory. Gone are rows of the table, names of pictures' files and what sentences quote of the
 * data; of the plots the pictures. Every figure is as it was. */
json_t *record_for_mail(const json_t *record);
json_t *plots_without_pictures(const json_t *plots);

#endif
