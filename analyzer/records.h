/* SPDX-License-Identifier: Apache-2.0 */
/* Records: from words to events. Used by reader.c alone. */
#ifndef PREPROF_RECORDS_H
#define PREPROF_RECORDS_H

#include "image.h"

/* The compact records' sizes, from the header's table (zeroed entries: our own). */
void records_learn(struct pp_image *image, const struct pp_wire_record_type *types);

/* Decodes [at, end), moving the cursor. Samples go to their lens, events to the batch or the queues. */
void records_decode(struct pp_image *image, struct pp_cursor *cursor, const uint8_t *at, const uint8_t *end);

/* records_sql.c: a record of the sql family, of `words` words. Returns whether it is an event of the program's. */
bool records_sql(struct pp_image *image, const struct pp_cursor *cursor, uint32_t kind, uint32_t argument,
		 const uint8_t *payload, size_t words);

#endif
