/* SPDX-License-Identifier: MIT */
/*
 * The inside of a run, shared by linetest_player.c (the order of things),
 * linetest_serve.c (the daemon's steps), linetest_act.c (what clients do) and
 * linetest_expect.c (what they are to see). Not for anyone else.
 */
#ifndef LINETEST_PLAYER_PRIV_H
#define LINETEST_PLAYER_PRIV_H

#include "linetest/actor.h"
#include "linetest/values.h"
#include "linetest/deadline.h"
#include "linetest/run_dir.h"
#include "linetest/player.h"

/* For what has nothing to do with the script: the daemon's start and end, a
 * connection on this machine. */
#define PLAYER_DAEMON_MS 30000

struct player {
	const struct script *script;
	const struct player_settings *settings;
	struct lined_dispatcher *dispatcher;
	struct run_dir dir;
	struct daemon_process process;
	struct actor *actors; /* as many as the script's */
	struct values values;
	struct cut cut;
	uint32_t patience_ms;
	struct deadline run; /* the watchdog over all of it */
	const struct step *step;
	const struct actor *about; /* whom a failure is about; may be NULL */
	bool is_stopping;          /* the daemon was told to end */
	char *config;              /* as it was written */
	struct bytes *failure;
};

/*
 * One turn of waiting. False: nothing more is waited for, the time of this
 * wait or of the run is over, or the daemon has died.
 */
bool player_turn(struct player *player, struct deadline *deadline);

/* What to say where a wait was in vain: "nothing came within 10 s", or what
 * became of the daemon; to be freed. actor may be NULL. */
char *player_excuse(struct player *player, const struct actor *actor);

/* Begins the text of a failure, at a step; always false. */
bool player_fail(struct player *player, const struct step *step,
		 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Starts the daemon, on other addresses where somebody was faster. */
bool serve_start(struct player *player);
bool serve_reload(struct player *player, const struct step *step);

/* What actors do; each is false where it could not. */
bool act_connect(struct player *player, struct actor *actor,
		 const struct step *step);
bool act_listen(struct player *player, struct actor *actor,
		const struct step *step);
bool act_accept(struct player *player, struct actor *actor,
		const struct step *step);
/* STEP_CLOSE, STEP_RESET. */
bool act_close(struct player *player, struct actor *actor,
	       const struct step *step);
/* It waits for the next step where that is of the same write. */
bool act_send(struct player *player, struct actor *actor,
	      const struct step *step);

/*
 * The expecting steps: each waits until what is expected has come, and moves
 * over it; or says what came instead, and is false. expect_lines() plays
 * `count` steps of one actor that may come in any order.
 */
bool expect_lines(struct player *player, struct actor *actor,
		  const struct step *steps, size_t count);
bool expect_raw(struct player *player, struct actor *actor,
		const struct step *step);
/* Nothing in the window; actor is NULL for all of them. */
bool expect_silence(struct player *player, struct actor *actor,
		    const struct step *step);
bool expect_end(struct player *player, struct actor *actor,
		const struct step *step);
bool expect_log(struct player *player, const struct step *step);

/* Nothing that it was sent is unread, unless it is to be passed over. */
bool expect_nothing_left(struct player *player, struct actor *actor,
			 const struct step *step);

#endif
