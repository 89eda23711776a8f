/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for other threads: mutexes, read-write locks, conditions, semaphores, barriers, those of C11 among them (C++ and
 * most languages come here). Joins are in hook_thread.c, a condition with a time limit in hook_gil.c, futexes by number in
 * hook_seccomp.c. Spin locks do not wait, and what pthread_once waits for is a call of the program's own.
 *
 * A lock that is free costs one look at its word and a jump: the real function is called once, whatever it is, and does
 * everything. The look only decides whether the call is timed: one that finds the lock free and loses it to another thread
 * in the nanoseconds in between is not. The words lie where glibc's headers say. Of a mutex that its own thread holds
 * (recursive, error checking) nothing is timed.
 *
 * A lock may lie in memory that several processes share, be held by a thread that is dead (robust), lend its priority: the
 * word is not 0 then, and the real function knows what it means.
 */
#include "life.h"
#include "resolve.h"
#include "wait.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#define FUNCTIONS(X)                                                                                                   \
	X(pthread_mutex_lock) X(pthread_mutex_timedlock) X(pthread_mutex_clocklock) X(pthread_rwlock_rdlock)           \
	X(pthread_rwlock_wrlock) X(pthread_rwlock_timedrdlock) X(pthread_rwlock_timedwrlock)                           \
	X(pthread_rwlock_clockrdlock) X(pthread_rwlock_clockwrlock) X(pthread_cond_wait) X(pthread_cond_clockwait)     \
	X(pthread_barrier_wait) X(sem_wait) X(sem_timedwait) X(sem_clockwait) X(mtx_lock) X(mtx_timedlock) X(cnd_wait) \
	X(cnd_timedwait)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_sync_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

/* All were found at the start; for a constructor that comes before ours they are found one by one. */
static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}
#define REAL(name) (pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name))

/* --- is it taken? ------------------------------------------------------------------------------------------------------ */

/* <bits/struct_mutex.h> and pthreadP.h: the kinds are the low bits; a mutex with a priority ceiling keeps it in its word. */
#define KIND_RECURSIVE 1
#define KIND_ERRORCHECK 2
#define KIND_BITS      3
#define KIND_CEILING   64
#define CEILING_BITS   UINT32_C(0xfff80000)

static bool mutex_is_busy(const pthread_mutex_t *mutex)
{
	uint32_t word = (uint32_t)__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED);
	int kind = __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED);
	const struct pp_thread *thread = pp_tls.thread;

	if (kind & KIND_CEILING)
		word &= ~CEILING_BITS;
	if (!word)
		return false;
	kind &= KIND_BITS;
	return !(thread && (kind == KIND_RECURSIVE || kind == KIND_ERRORCHECK) && mutex->__data.__owner == thread->tid);
}

/* Three low bits of the count of readers, as pthread_rwlock_common.c has them. */
#define RWLOCK_WRITER 2

static inline bool rwlock_has_writer(const pthread_rwlock_t *lock)
{
	return __atomic_load_n(&lock->__data.__readers, __ATOMIC_RELAXED) & RWLOCK_WRITER;
}

static inline bool rwlock_is_busy(const pthread_rwlock_t *lock)
{
	uint32_t readers = __atomic_load_n(&lock->__data.__readers, __ATOMIC_RELAXED);

	return readers >> 3 || readers & RWLOCK_WRITER;
}

/* Its value is the first word, on the processors that have 64-bit atomics and count from the low end. */
static inline bool semaphore_is_busy(const sem_t *semaphore)
{
	return __atomic_load_n((const uint32_t *)semaphore, __ATOMIC_RELAXED) == 0;
}

/* --- the hooks --------------------------------------------------------------------------------------------------------- */

/* A lock: free, the real function follows at once; else the same, timed, in a function of its own, which the hook jumps
 * to, so that its caller is the program. */
#define LOCK_HOOK(name, parameters, arguments, operation, word, busy, error)                                           \
	static __attribute__((noinline)) int name##_busy parameters                                                    \
	{                                                                                                              \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		struct pp_wait wait = {0};                                                                             \
		int result;                                                                                            \
                                                                                                                       \
		if (busy)                                                                                              \
			wait = wait_begin(operation, &registers);                                                      \
		result = REAL(name) arguments;                                                                         \
		wait_tell(&wait, operation, error);                                                                    \
		return result;                                                                                         \
	}                                                                                                              \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		if (pp_likely(!(word) && real.name))                                                                   \
			return real.name arguments;                                                                    \
		return name##_busy arguments;                                                                          \
	}

#define MUTEX_WORD(mutex) (__atomic_load_n(&(mutex)->__data.__lock, __ATOMIC_RELAXED) != 0)

LOCK_HOOK(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex), PP_IO_MUTEX, MUTEX_WORD(mutex), mutex_is_busy(mutex),
	  ERROR_RETURNED)
LOCK_HOOK(pthread_mutex_timedlock, (pthread_mutex_t * mutex, const struct timespec *until), (mutex, until), PP_IO_MUTEX,
	  MUTEX_WORD(mutex), mutex_is_busy(mutex), ERROR_RETURNED)
LOCK_HOOK(pthread_mutex_clocklock, (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until),
	  (mutex, clock, until), PP_IO_MUTEX, MUTEX_WORD(mutex), mutex_is_busy(mutex), ERROR_RETURNED)

LOCK_HOOK(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock), PP_IO_RWLOCK, rwlock_has_writer(lock), true,
	  ERROR_RETURNED)
LOCK_HOOK(pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const struct timespec *until), (lock, until),
	  PP_IO_RWLOCK, rwlock_has_writer(lock), true, ERROR_RETURNED)
LOCK_HOOK(pthread_rwlock_clockrdlock, (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
	  (lock, clock, until), PP_IO_RWLOCK, rwlock_has_writer(lock), true, ERROR_RETURNED)
LOCK_HOOK(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock), PP_IO_RWLOCK, rwlock_is_busy(lock), true,
	  ERROR_RETURNED)
LOCK_HOOK(pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const struct timespec *until), (lock, until),
	  PP_IO_RWLOCK, rwlock_is_busy(lock), true, ERROR_RETURNED)
LOCK_HOOK(pthread_rwlock_clockwrlock, (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
	  (lock, clock, until), PP_IO_RWLOCK, rwlock_is_busy(lock), true, ERROR_RETURNED)

LOCK_HOOK(sem_wait, (sem_t * semaphore), (semaphore), PP_IO_SEMAPHORE, semaphore_is_busy(semaphore), true,
	  ERROR_OF_ERRNO)
LOCK_HOOK(sem_timedwait, (sem_t * semaphore, const struct timespec *until), (semaphore, until), PP_IO_SEMAPHORE,
	  semaphore_is_busy(semaphore), true, ERROR_OF_ERRNO)
LOCK_HOOK(sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *until), (semaphore, clock, until),
	  PP_IO_SEMAPHORE, semaphore_is_busy(semaphore), true, ERROR_OF_ERRNO)

/* C11's are the same objects. */
#define MUTEX_OF(mutex) ((pthread_mutex_t *)(void *)(mutex))
#define ERROR_OF_C11	(result == thrd_success ? 0 : result == thrd_timedout ? ETIMEDOUT : EINVAL)

LOCK_HOOK(mtx_lock, (mtx_t * mutex), (mutex), PP_IO_MUTEX, MUTEX_WORD(MUTEX_OF(mutex)), mutex_is_busy(MUTEX_OF(mutex)),
	  ERROR_OF_C11)
LOCK_HOOK(mtx_timedlock, (mtx_t *restrict mutex, const struct timespec *restrict until), (mutex, until), PP_IO_MUTEX,
	  MUTEX_WORD(MUTEX_OF(mutex)), mutex_is_busy(MUTEX_OF(mutex)), ERROR_OF_C11)

/* What these wait for has not come yet, as a rule. */
WAIT_HOOK(int, pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex), (condition, mutex),
	  PP_IO_CONDITION, ERROR_RETURNED)
WAIT_HOOK(int, pthread_cond_clockwait,
	  (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
	  (condition, mutex, clock, until), PP_IO_CONDITION, ERROR_RETURNED)
WAIT_HOOK(int, cnd_wait, (cnd_t * condition, mtx_t *mutex), (condition, mutex), PP_IO_CONDITION, ERROR_OF_C11)
WAIT_HOOK(int, cnd_timedwait, (cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until),
	  (condition, mutex, until), PP_IO_CONDITION, ERROR_OF_C11)
WAIT_HOOK(int, pthread_barrier_wait, (pthread_barrier_t * barrier), (barrier), PP_IO_BARRIER,
	  result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result)
