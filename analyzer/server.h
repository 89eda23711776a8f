/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: one per process tree. It takes in every process image of the tree, reads their pipes and shared memory
 * into a trace, and publishes the recording until the tree has ended.
 */
#ifndef PREPROF_SERVER_H
#define PREPROF_SERVER_H

#include "error.h"

struct pp_server_options {
	int listen_fd;	    /* a listening AF_UNIX SOCK_SEQPACKET socket */
	const char *output; /* pattern */
	const char *folder; /* absolute; what a relative pattern is relative to; NULL: gone */
	const char *save;   /* where the raw stream is kept as well; NULL: nowhere */
	const char *note;   /* a sentence for the report's not_observed list; NULL: none */
	bool summary;	    /* answer the first image's END with a text */
	bool controller;    /* a controller will come: the tree does not end before it went */
};

/* Returns at the tree's end, when the last recording has been published. */
bool server_run(const struct pp_server_options *options, struct pp_error *error);

#endif
