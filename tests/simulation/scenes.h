/* SPDX-License-Identifier: MIT */
/*
 * The configs of the simulation, drawn by the seed, and the peers that come to
 * them.
 */
#ifndef SCENES_H
#define SCENES_H

struct scene {
	unsigned workers;
	char text[4096]; /* the config */
};

/* Draws what stays the same over reloads. */
void scene_begin(struct scene *scene);

/* Draws a config. */
const char *scene_conf(struct scene *scene);

/* Another peer comes. */
void scene_peer(struct scene *scene);

#endif
