/*
 * Gives a program a CLOCK_REALTIME of its own, which it may steer, when this is loaded
 * before the C library (LD_PRELOAD). So ptp4l can be a slave of a master on the same host
 * without moving the master's clock as well.
 *
 * The clock runs by the host's: value + (real - since) x (1 + rate). It begins with the
 * host's time and at its rate. Packets' times of arrival and departure, which the kernel
 * takes by the host's clock, are converted as they come in. The file that the environment
 * variable STEERED_CLOCK names shows the clock to others; package main of test/bench/slave
 * has the same structure.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct clock {
	_Atomic uint64_t turn; /* odd while the rest is changed */
	int64_t since, value;  /* ns */
	double rate;
};

static struct clock *steered;
static long frequency;       /* 2^-16 ppm, as adjtimex(2) has it */
static long tick, usual_tick; /* us */

static int (*host_gettime)(clockid_t, struct timespec *);
static int (*host_adjtime)(clockid_t, struct timex *);
static ssize_t (*host_recvmsg)(int, struct msghdr *, int);

static int64_t nanoseconds(const struct timespec *t) { return t->tv_sec * 1000000000LL + t->tv_nsec; }

static int64_t host_time(void)
{
	struct timespec t;

	host_gettime(CLOCK_REALTIME, &t);
	return nanoseconds(&t);
}

static int64_t convert(int64_t real)
{
	int64_t passed = real - steered->since;

	return steered->value + passed + (int64_t)(passed * steered->rate);
}

static void convert_timespec(struct timespec *t)
{
	int64_t ns = convert(nanoseconds(t));

	t->tv_sec = ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
}

static void change(int64_t step, double rate)
{
	int64_t now = host_time(), value = convert(now) + step;

	atomic_fetch_add(&steered->turn, 1);
	steered->since = now;
	steered->value = value;
	steered->rate = rate;
	atomic_fetch_add(&steered->turn, 1);
}

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("STEERED_CLOCK");
	int fd = name ? open(name, O_RDWR | O_CREAT, 0600) : -1;

	host_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	host_adjtime = dlsym(RTLD_NEXT, "clock_adjtime");
	host_recvmsg = dlsym(RTLD_NEXT, "recvmsg");
	if (fd < 0 || ftruncate(fd, sizeof *steered) < 0)
		abort();
	steered = mmap(NULL, sizeof *steered, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (steered == MAP_FAILED)
		abort();
	tick = usual_tick = 1000000 / sysconf(_SC_CLK_TCK);
	steered->since = steered->value = host_time();
	atomic_fetch_add(&steered->turn, 2);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int failed = host_gettime(id, t);

	if (!failed && id == CLOCK_REALTIME)
		convert_timespec(t);
	return failed;
}

int clock_adjtime(clockid_t id, struct timex *t)
{
	struct timex host = {0};
	int64_t step = 0;
	int state;

	if (id != CLOCK_REALTIME)
		return host_adjtime(id, t);
	state = host_adjtime(id, &host); /* changes nothing, tells the limits */
	if (t->modes & ADJ_SETOFFSET)
		step = t->time.tv_sec * 1000000000LL + t->time.tv_usec * (t->modes & ADJ_NANO ? 1 : 1000LL);
	if (t->modes & ADJ_FREQUENCY)
		frequency = t->freq;
	if (t->modes & ADJ_TICK)
		tick = t->tick;
	if (t->modes & (ADJ_SETOFFSET | ADJ_FREQUENCY | ADJ_TICK))
		change(step, frequency / 65536e6 + (double)(tick - usual_tick) / usual_tick);
	host.modes = t->modes;
	host.freq = frequency;
	host.tick = tick;
	*t = host;
	return state;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = host_recvmsg(fd, m, flags);
	struct cmsghdr *c;

	for (c = n < 0 ? NULL : CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING)
			convert_timespec((struct timespec *)CMSG_DATA(c)); /* the first is software's */
	return n;
}
