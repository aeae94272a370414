/*
 * notify: a sign of life to who started the supervisor (systemd's WatchdogSec, sd_notify(3)). Private to supervisor/.
 *
 * Deaf is dead holds for the supervisor too, and nobody of ours watches it: whoever started it can, when he says so in
 * NOTIFY_SOCKET and WATCHDOG_USEC. Without them nothing is sent.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

/** Reads the environment and makes the socket. */
void notify_open(void);
/** The loop turns: at least every half second. Never waits, and nothing is made of a failure. */
void notify_alive(void);

#endif
