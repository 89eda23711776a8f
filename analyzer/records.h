/* SPDX-License-Identifier: Apache-2.0 */
/* Records: from words to events. Used by reader.c alone. */
#ifndef PREPROF_RECORDS_H
#define PREPROF_RECORDS_H

#include "image.h"

/* The compact records' sizes, from the header's table (zeroed entries: our own). */
void records_learn(struct pp_image *image, const struct pp_wire_record_type *types);

/* Decodes [at, end), moving the cursor. Samples go to their lens, events to the batch or the queues. */
void records_decode(struct pp_image *image, struct pp_cursor *cursor, const uint8_t *at, const uint8_t *end);

#endif
