#include "image.h"
#include "replay.h"
#include <stdio.h>
int main(int c,char**v){struct pp_error e;struct pp_trace*t=trace_create();struct pp_replay*r=replay_load(t,v[1],&e);if(!r){puts(e.text);return 1;}
for(uint32_t i=0;i<t->image_count;i++){struct pp_image*m=t->images[i];printf("alloc %lu free %lu unknown %lu replaced %lu inherited %lu events %lu lost %lu missing %lu gap %lu damaged %lu forced %lu held %lu\n",m->mem.totals.allocation_count,m->mem.totals.free_count,m->mem.totals.unknown_free_count,m->mem.replaced_count,m->mem.totals.inherited_free_count,m->event_count,m->lost_count,m->missing_count,m->gap_count,m->damaged_count,m->order.forced_count,m->order.held);}}
