/* SPDX-License-Identifier: Apache-2.0
 *
 * Tutti: collective communication between the processes of a parallel program.
 *
 * Conventions of every function below, unless its own comment says otherwise:
 *  - It is thread-safe. Calls on one communicator take effect in the order in which they return, and that order must be
 *    the same on every rank for collectives.
 *  - Counts are elements of `datatype`, never bytes. Pointers are host memory, aligned to the element.
 *  - A collective or point-to-point call checks its arguments, enqueues and returns; it does not wait for a peer. It waits
 *    only while the communicator's bounded queue is full. Buffers belong to the call until the work has completed, as told
 *    by tuttiStreamSynchronize, tuttiStreamQuery, an event, or tuttiCommSynchronize. Arrays of counts and displacements
 *    are copied before the call returns.
 *  - A NULL stream is the communicator's own stream.
 *  - On error nothing has been enqueued, and tuttiGetLastError tells which argument was wrong and what it was.
 *  - Errors any call on a communicator may return: tuttiInvalidArgument (an argument's value), tuttiInvalidUsage (the call is
 *    not allowed in this state), tuttiMismatch (ranks disagree about a call), tuttiRemoteError (a peer died),
 *    tuttiTimeout (a wait outlasted the configured timeout), tuttiAborted, tuttiSystemError, tuttiInternalError.
 *    After tuttiMismatch, tuttiRemoteError, tuttiTimeout or tuttiAborted a communicator accepts only tuttiCommDestroy,
 *    tuttiCommAbort and the queries.
 *
 * The shapes and the order of arguments are those of NCCL (https://docs.nvidia.com/deeplearning/nccl/), so that a program
 * ports by renaming; what NCCL lacks is marked "beyond NCCL". */
#ifndef TUTTI_TUTTI_H_
#define TUTTI_TUTTI_H_

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define TUTTI_MAJOR 0
#define TUTTI_MINOR 1
#define TUTTI_PATCH 0
#define TUTTI_VERSION(major, minor, patch) ((major) * 10000 + (minor) * 100 + (patch))
#define TUTTI_VERSION_CODE TUTTI_VERSION(TUTTI_MAJOR, TUTTI_MINOR, TUTTI_PATCH)

#if defined(__GNUC__) || defined(__clang__)
#define TUTTI_API __attribute__((visibility("default")))
#else
#define TUTTI_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Types ------------------------------------------------------------------------------------------------------- */

/* Codes 0-7 have NCCL's meaning and value. */
typedef enum tuttiResult {
  tuttiSuccess = 0,
  tuttiUnhandledCudaError = 1, /* kept for ported programs; never returned by host-memory operations */
  tuttiSystemError = 2,        /* an operating-system call failed; the message names it and its errno */
  tuttiInternalError = 3,      /* a bug in Tutti */
  tuttiInvalidArgument = 4,
  tuttiInvalidUsage = 5,
  tuttiRemoteError = 6, /* a peer died or its link broke; the message names the rank */
  tuttiInProgress = 7,  /* not finished yet: non-blocking initialisation, a query of running work */
  tuttiMismatch = 8,    /* ranks called different collectives or disagree about count, type, operator or root */
  tuttiTimeout = 9,
  tuttiAborted = 10,
  tuttiUnsupported = 11, /* correct, but not implemented here */
  tuttiNumResults = 12
} tuttiResult_t;

typedef enum tuttiDataType {
  tuttiInt8 = 0,
  tuttiChar = 0,
  tuttiUint8 = 1,
  tuttiInt32 = 2,
  tuttiInt = 2,
  tuttiUint32 = 3,
  tuttiInt64 = 4,
  tuttiUint64 = 5,
  tuttiFloat16 = 6,
  tuttiHalf = 6,
  tuttiFloat32 = 7,
  tuttiFloat = 7,
  tuttiFloat64 = 8,
  tuttiDouble = 8,
  tuttiBfloat16 = 9,
  tuttiFloat8e4m3 = 10, /* OCP 8-bit floating point E4M3: no infinity, NaN is S.1111.111; finite overflow becomes NaN */
  tuttiFloat8e5m2 = 11, /* OCP 8-bit floating point E5M2 */
  tuttiNumTypes = 12
} tuttiDataType_t;

/* Reduction operators. Floating-point types narrower than float32 are accumulated in float32 and rounded to nearest even once
 * per kernel pass. NaN and infinity propagate through sum, prod and avg; min and max return NaN if any input is NaN.
 * Integer sum and prod wrap modulo 2^bits. Avg is the sum divided by the number of ranks: for integers the wrapped sum is
 * divided with truncation towards zero. Band, bor and bxor take integer types only. Every rank receives the same bits. */
typedef enum tuttiRedOp {
  tuttiSum = 0,
  tuttiProd = 1,
  tuttiMax = 2,
  tuttiMin = 3,
  tuttiAvg = 4,
  tuttiBand = 5, /* beyond NCCL, as bor and bxor */
  tuttiBor = 6,
  tuttiBxor = 7,
  tuttiNumOps = 8,
  /* Larger values name operators made by tuttiRedOpCreate and tuttiRedOpCreatePreMulSum. */
  tuttiMaxRedOp = INT_MAX
} tuttiRedOp_t;

typedef struct tuttiComm* tuttiComm_t;
typedef struct tuttiStream* tuttiStream_t;
typedef struct tuttiEvent* tuttiEvent_t;

#define TUTTI_UNIQUE_ID_BYTES 128
/* Where rank 0's process listens, and a 256-bit secret by which ranks prove that they belong to the job: treat it as a key,
 * hand it over by a private channel, keep it out of argv, the environment and logs. */
typedef struct tuttiUniqueId {
  char internal[TUTTI_UNIQUE_ID_BYTES];
} tuttiUniqueId;

#define TUTTI_CONFIG_UNDEF_INT INT_MIN
#define TUTTI_CONFIG_UNDEF_PTR NULL
#define TUTTI_CONFIG_MAGIC 0x7477c0deu

/* Options of one communicator. Start from TUTTI_CONFIG_INITIALIZER. What is left undefined comes from the environment
 * (docs/settings.md), then from the default. Ranks must pass equal values, which initialisation checks. Strings are copied. */
typedef struct tuttiConfig {
  size_t size;          /* set by the initialiser; tells the library which fields exist */
  unsigned int magic;   /* set by the initialiser */
  unsigned int version; /* set by the initialiser */
  int blocking;         /* 1 (default): initialisation returns when done; 0: it returns tuttiInProgress, poll tuttiCommGetAsyncError */
  int timeoutMs;        /* longest wait for a peer in initialisation or an operation, milliseconds; 0: none; default 300000 */
  const char* commName; /* used in messages; default "world" */
  const char* transports; /* as TUTTI_TRANSPORTS: "shm,tcp"; default: all that are available */
  const char* algorithms; /* as TUTTI_ALGO: "allreduce:ring;broadcast:binomial"; default: the planner's choice */
} tuttiConfig_t;

#define TUTTI_CONFIG_INITIALIZER                                                                                       \
  {                                                                                                                    \
    sizeof(tuttiConfig_t), TUTTI_CONFIG_MAGIC, TUTTI_VERSION_CODE, TUTTI_CONFIG_UNDEF_INT, TUTTI_CONFIG_UNDEF_INT,     \
        TUTTI_CONFIG_UNDEF_PTR, TUTTI_CONFIG_UNDEF_PTR, TUTTI_CONFIG_UNDEF_PTR                                         \
  }

/* ---- Library ----------------------------------------------------------------------------------------------------- */

/* Writes the version of the library in use, as TUTTI_VERSION computes it, to `*version`. Never blocks. */
TUTTI_API tuttiResult_t tuttiGetVersion(int* version);

/* A static English phrase for `result`; never NULL, also for unknown codes. */
TUTTI_API const char* tuttiGetErrorString(tuttiResult_t result);

/* The text of the last error on `comm`, or, with a NULL `comm`, of the last failed call of the calling thread. Valid until the
 * calling thread's next call of this function. Empty when there was none; never NULL. */
TUTTI_API const char* tuttiGetLastError(tuttiComm_t comm);

/* ---- Communicators ----------------------------------------------------------------------------------------------- */

/* Makes an id for one new communicator and starts to listen for its ranks in the calling process, which must stay alive until
 * all ranks have initialised. Hand the id to every rank. Errors: tuttiSystemError when no address can be listened on. */
TUTTI_API tuttiResult_t tuttiGetUniqueId(tuttiUniqueId* uniqueId);

/* Joins `nranks` ranks into a communicator as rank `rank` (0 .. nranks-1). Blocks until all have joined or the timeout has passed.
 * Inside a group it only takes effect at tuttiGroupEnd, so that one thread can initialise several ranks. The handle is
 * released by tuttiCommDestroy or tuttiCommAbort. Errors: tuttiInvalidArgument, tuttiTimeout naming the ranks that are
 * missing, tuttiMismatch when ranks pass different nranks or configurations, tuttiSystemError. */
TUTTI_API tuttiResult_t tuttiCommInitRank(tuttiComm_t* comm, int nranks, tuttiUniqueId commId, int rank);

/* As tuttiCommInitRank, with options; a NULL `config` means all defaults. With blocking = 0 it returns tuttiInProgress and
 * tuttiCommGetAsyncError tells when the communicator is ready. */
TUTTI_API tuttiResult_t tuttiCommInitRankConfig(tuttiComm_t* comm, int nranks, tuttiUniqueId commId, int rank,
                                                const tuttiConfig_t* config);

/* As tuttiCommInitRankConfig, for very many ranks: `commIds` holds `nId` ids (1 .. nranks), equal in content and order on all ranks, whose
 * makers each introduce a share of the ranks to each other: the one of id i the ranks from i * nranks / nId on. Make the ids in different
 * processes, so that none of them has all the work. Ranks exchange everything else among themselves. Errors: also tuttiMismatch when ranks
 * pass different lists. */
TUTTI_API tuttiResult_t tuttiCommInitRankScalable(tuttiComm_t* comm, int nranks, int rank, int nId, const tuttiUniqueId* commIds,
                                                  const tuttiConfig_t* config);

/* Makes a communicator of `ndev` ranks that all live in the calling process: comms[i] is rank i. `devlist` must be NULL or hold
 * ndev entries, which are ignored, since ranks are host threads. */
TUTTI_API tuttiResult_t tuttiCommInitAll(tuttiComm_t* comms, int ndev, const int* devlist);

/* Beyond NCCL. Finds rank, size and peers as the launcher tells them: PMIx (Open MPI, Slurm), else PMI-1 (MPICH, Slurm), else RANK,
 * WORLD_SIZE, MASTER_ADDR and MASTER_PORT as torchrun sets them, which come first where torchrun itself has. While it runs, no other
 * thread may be in an MPI call that talks to the launcher. Errors: tuttiInvalidUsage naming all it looked for when none is there. */
TUTTI_API tuttiResult_t tuttiCommInitFromEnv(tuttiComm_t* comm, const tuttiConfig_t* config);

/* Collective over `comm`: ranks that pass the same `color` (>= 0) form a new communicator, ordered by `key`, then by rank in
 * `comm`. TUTTI_SPLIT_NOCOLOR takes part but receives a NULL *newcomm. A NULL `config` inherits. Blocks. */
#define TUTTI_SPLIT_NOCOLOR (-1)
TUTTI_API tuttiResult_t tuttiCommSplit(tuttiComm_t comm, int color, int key, tuttiComm_t* newcomm,
                                       const tuttiConfig_t* config);

/* Collective: waits until all work of this rank on `comm` is done and every rank has come here, so that a later
 * tuttiCommDestroy cannot cut off a peer. Afterwards only destroy, abort and queries are allowed. Blocks; of ranks that one thread initialised
 * together only the last one's call waits for peers. */
TUTTI_API tuttiResult_t tuttiCommFinalize(tuttiComm_t comm);

/* Finalises if that has not been done, and frees everything `comm` holds. The handle is invalid afterwards, also on error.
 * On a communicator that has failed it does not wait for peers. Ranks that one thread initialised together (tuttiCommInitAll, or a group)
 * leave together: only the last call among them waits for peers. NULL is allowed and does nothing. */
TUTTI_API tuttiResult_t tuttiCommDestroy(tuttiComm_t comm);

/* Ends all work on `comm` at once with tuttiAborted, on this rank and, by a message, on its peers, and frees what it holds.
 * Returns within 100 ms in any state and from any thread, also while other threads wait on `comm`: those return tuttiAborted.
 * The handle is invalid afterwards. NULL is allowed and does nothing. */
TUTTI_API tuttiResult_t tuttiCommAbort(tuttiComm_t comm);

/* Writes the state of `comm`: tuttiSuccess, tuttiInProgress while it initialises, or the error that has ended it. */
TUTTI_API tuttiResult_t tuttiCommGetAsyncError(tuttiComm_t comm, tuttiResult_t* asyncError);

TUTTI_API tuttiResult_t tuttiCommCount(tuttiComm_t comm, int* count);
TUTTI_API tuttiResult_t tuttiCommUserRank(tuttiComm_t comm, int* rank);

/* Beyond NCCL. Blocks until all work enqueued on `comm` so far, on any stream, has completed; returns its first error. */
TUTTI_API tuttiResult_t tuttiCommSynchronize(tuttiComm_t comm);

/* Beyond NCCL. Writes why the planner would do what it does for a collective on `comm`: the algorithms that apply in the order of their prices,
 * what the prices are made of, why the others do not apply, and for which sizes which algorithm is chosen. `collective` is a word of TUTTI_ALGO,
 * "allreduce"; `bytes` are those of the vector, or of the blocks of all ranks together; roots are taken to be 0. At most `capacity` bytes go to
 * `text`, with a terminating zero, which cuts off what is longer; with a capacity of 0 `text` may be NULL. `*length`, unless `length` is NULL, becomes
 * the length of the whole text without the zero. The text is for people and may change with any version. Thread-safe; no other rank takes part.
 * Prices anew, which takes milliseconds for a few ranks, and seconds for thousands. Errors: tuttiInvalidArgument for an unknown collective, naming
 * those that there are. */
TUTTI_API tuttiResult_t tuttiCommExplain(tuttiComm_t comm, const char* collective, size_t bytes, char* text, size_t capacity,
                                         size_t* length);

/* Beyond NCCL. Writes how this rank reaches each other rank of `comm`, as JSON: {"rank", "host", "links": [{"peer", "transport", "description",
 * "latency_ns", "bandwidth_bytes_per_s", "source", "reaches_memory", "passed_over": [{"transport", "reason"}]}], "left_out": [{"transport", "reason"}]}.
 * "passed_over" are better transports that the pair does not use, "left_out" are those this rank has not; the figures are what plans are made from, and
 * later versions add members. `text`, `capacity` and `*length` are as in tuttiCommExplain. Thread-safe; no other rank takes part. Never blocks. */
TUTTI_API tuttiResult_t tuttiCommLinks(tuttiComm_t comm, char* text, size_t capacity, size_t* length);

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

/* Allocates `size` zeroed bytes, aligned to a page, that ranks of the same host can load from and store to themselves: collectives on such buffers
 * copy least. Large memory is in huge pages where the kernel has them; these are there when the call returns, near the calling thread. Each
 * allocation holds a file descriptor while the process has any; allocate few and large buffers. After a call has failed, peers may write to its
 * buffers until tuttiCommAbort or tuttiCommDestroy has returned. A child of fork() shares the memory instead of getting a copy. Errors:
 * tuttiSystemError when there is no memory. */
TUTTI_API tuttiResult_t tuttiMemAlloc(void** ptr, size_t size);
/* Frees what tuttiMemAlloc gave. No work may use it any more. NULL is allowed. tuttiInvalidArgument for another pointer. */
TUTTI_API tuttiResult_t tuttiMemFree(void* ptr);

/* Tells `comm` that [buff, buff+size) will be used often. Purely a hint, which nothing depends on today. The handle goes to tuttiCommDeregister. */
TUTTI_API tuttiResult_t tuttiCommRegister(tuttiComm_t comm, void* buff, size_t size, void** handle);
TUTTI_API tuttiResult_t tuttiCommDeregister(tuttiComm_t comm, void* handle);

/* As tuttiCommRegister, in NCCL's collective form: each rank of `comm` registers a buffer of the same size, from tuttiMemAlloc for the best effect.
 * Returns without waiting for the others. `winFlags` is one of those below; the second promises that collectives will use the same offset into the
 * window on all ranks. Errors: tuttiInvalidArgument for NULL, a size of 0 or unknown flags. The window goes to tuttiCommWindowDeregister, which
 * leaves the memory as it is. */
typedef struct tuttiWindow* tuttiWindow_t;
#define TUTTI_WIN_DEFAULT 0x00
#define TUTTI_WIN_COLL_SYMMETRIC 0x01
TUTTI_API tuttiResult_t tuttiCommWindowRegister(tuttiComm_t comm, void* buff, size_t size, tuttiWindow_t* win, int winFlags);
TUTTI_API tuttiResult_t tuttiCommWindowDeregister(tuttiComm_t comm, tuttiWindow_t win);

/* ---- Operators --------------------------------------------------------------------------------------------------- */

/* Each rank's input is multiplied by its own `*scalar` before summing. `scalar` points to one element of `datatype`, read before the call
 * returns (`residence` is NCCL's and must be tuttiScalarHostImmediate). Valid on `comm` with `datatype` only. */
typedef enum tuttiScalarResidence { tuttiScalarDevice = 0, tuttiScalarHostImmediate = 1 } tuttiScalarResidence_t;
TUTTI_API tuttiResult_t tuttiRedOpCreatePreMulSum(tuttiRedOp_t* op, void* scalar, tuttiDataType_t datatype,
                                                  tuttiScalarResidence_t residence, tuttiComm_t comm);

/* Beyond NCCL. inout[i] = in[i] op inout[i] for `count` elements. Must be associative and commutative, must not call Tutti,
 * and may be called from any thread, on any piece of the data. `context` is handed through. */
typedef void (*tuttiRedFunction_t)(const void* in, void* inout, size_t count, tuttiDataType_t datatype, void* context);
TUTTI_API tuttiResult_t tuttiRedOpCreate(tuttiRedOp_t* op, tuttiRedFunction_t function, void* context, tuttiComm_t comm);

/* Work already enqueued with `op` still completes. Errors: tuttiInvalidArgument for a built-in or unknown operator. */
TUTTI_API tuttiResult_t tuttiRedOpDestroy(tuttiRedOp_t op, tuttiComm_t comm);

/* ---- Collectives ------------------------------------------------------------------------------------------------- */
/* n is the number of ranks, r the calling rank. All ranks must pass the same count, datatype, op and root; the V forms
 * require only what each comment says. In-place forms are NCCL's; any other overlap of buffers is tuttiInvalidArgument. */

/* recvbuff[i] = op over ranks of sendbuff[i], i < count, on every rank. In place: sendbuff == recvbuff. */
TUTTI_API tuttiResult_t tuttiAllReduce(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype,
                                       tuttiRedOp_t op, tuttiComm_t comm, tuttiStream_t stream);

/* As tuttiAllReduce, on `root` only; recvbuff is ignored elsewhere and may be NULL there. In place: sendbuff == recvbuff. */
TUTTI_API tuttiResult_t tuttiReduce(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype,
                                    tuttiRedOp_t op, int root, tuttiComm_t comm, tuttiStream_t stream);

/* recvbuff = root's sendbuff, count elements, on every rank. sendbuff is used on `root` only. In place: sendbuff == recvbuff. */
TUTTI_API tuttiResult_t tuttiBroadcast(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype,
                                       int root, tuttiComm_t comm, tuttiStream_t stream);
/* The in-place form of older NCCL programs. */
TUTTI_API tuttiResult_t tuttiBcast(void* buff, size_t count, tuttiDataType_t datatype, int root, tuttiComm_t comm,
                                   tuttiStream_t stream);

/* recvbuff[k * sendcount + i] = rank k's sendbuff[i]; recvbuff holds n * sendcount. In place: sendbuff == recvbuff + r * sendcount. */
TUTTI_API tuttiResult_t tuttiAllGather(const void* sendbuff, void* recvbuff, size_t sendcount, tuttiDataType_t datatype,
                                       tuttiComm_t comm, tuttiStream_t stream);

/* recvbuff[i] = op over ranks of sendbuff[r * recvcount + i]; sendbuff holds n * recvcount. In place: recvbuff == sendbuff + r * recvcount. */
TUTTI_API tuttiResult_t tuttiReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                                           tuttiDataType_t datatype, tuttiRedOp_t op, tuttiComm_t comm,
                                           tuttiStream_t stream);

/* recvbuff[k * count + i] = rank k's sendbuff[r * count + i]; both hold n * count. In place: sendbuff == recvbuff. */
TUTTI_API tuttiResult_t tuttiAlltoAll(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype,
                                      tuttiComm_t comm, tuttiStream_t stream);

/* On root: recvbuff[k * count + i] = rank k's sendbuff[i]. recvbuff is used on root only. In place: sendbuff == recvbuff + root * count. */
TUTTI_API tuttiResult_t tuttiGather(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype,
                                    int root, tuttiComm_t comm, tuttiStream_t stream);

/* recvbuff[i] = root's sendbuff[r * count + i]. sendbuff is used on root only. In place: recvbuff == sendbuff + root * count. */
TUTTI_API tuttiResult_t tuttiScatter(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype,
                                     int root, tuttiComm_t comm, tuttiStream_t stream);

/* Beyond NCCL. Completes once every rank has enqueued it and reached it on its stream. */
TUTTI_API tuttiResult_t tuttiBarrier(tuttiComm_t comm, tuttiStream_t stream);

/* Beyond NCCL. recvbuff[displs[k] + i] = rank k's sendbuff[i], i < recvcounts[k]. sendcount must equal recvcounts[r]; recvcounts must be
 * equal on all ranks, displs are each rank's own. Blocks must not overlap. In place: sendbuff == recvbuff + displs[r]. */
TUTTI_API tuttiResult_t tuttiAllGatherV(const void* sendbuff, size_t sendcount, void* recvbuff, const size_t recvcounts[],
                                        const size_t displs[], tuttiDataType_t datatype, tuttiComm_t comm,
                                        tuttiStream_t stream);

/* Beyond NCCL. sendbuff holds the sum of recvcounts; block k begins at the sum of the counts before it. recvbuff[i] = op over ranks of
 * block r's element i, i < recvcounts[r]. recvcounts equal on all ranks. In place: recvbuff == its own block in sendbuff. */
TUTTI_API tuttiResult_t tuttiReduceScatterV(const void* sendbuff, void* recvbuff, const size_t recvcounts[],
                                            tuttiDataType_t datatype, tuttiRedOp_t op, tuttiComm_t comm,
                                            tuttiStream_t stream);

/* Beyond NCCL. recvbuff[rdispls[k] + i] = rank k's sendbuff[sdispls[r] + i], i < recvcounts[k]; rank k's sendcounts[r] must equal
 * recvcounts[k]. Receive blocks must not overlap. In place: sendbuff == recvbuff with equal counts and displacements. */
TUTTI_API tuttiResult_t tuttiAlltoAllV(const void* sendbuff, const size_t sendcounts[], const size_t sdispls[],
                                       void* recvbuff, const size_t recvcounts[], const size_t rdispls[],
                                       tuttiDataType_t datatype, tuttiComm_t comm, tuttiStream_t stream);

/* Beyond NCCL. On root: recvbuff[displs[k] + i] = rank k's sendbuff[i], i < recvcounts[k]. recvbuff, recvcounts and displs are used on
 * root only. Each sendcount must equal root's recvcounts entry. In place on root: sendbuff == recvbuff + displs[root]. */
TUTTI_API tuttiResult_t tuttiGatherV(const void* sendbuff, size_t sendcount, void* recvbuff, const size_t recvcounts[],
                                     const size_t displs[], tuttiDataType_t datatype, int root, tuttiComm_t comm,
                                     tuttiStream_t stream);

/* Beyond NCCL. recvbuff[i] = root's sendbuff[displs[r] + i], i < recvcount. sendbuff, sendcounts and displs are used on root only. Each
 * recvcount must equal root's sendcounts entry. In place on root: recvbuff == sendbuff + displs[root]. */
TUTTI_API tuttiResult_t tuttiScatterV(const void* sendbuff, const size_t sendcounts[], const size_t displs[], void* recvbuff,
                                      size_t recvcount, tuttiDataType_t datatype, int root, tuttiComm_t comm,
                                      tuttiStream_t stream);

/* ---- Point to point ---------------------------------------------------------------------------------------------- */

/* Sends to / receives from rank `peer`. The k-th send from a to b meets the k-th receive of b from a; both must pass the same count and
 * datatype. Exchanges in both directions belong in one group, since a send may wait for its receive. A rank may send to
 * itself inside a group that also receives. */
TUTTI_API tuttiResult_t tuttiSend(const void* sendbuff, size_t count, tuttiDataType_t datatype, int peer,
                                  tuttiComm_t comm, tuttiStream_t stream);
TUTTI_API tuttiResult_t tuttiRecv(void* recvbuff, size_t count, tuttiDataType_t datatype, int peer, tuttiComm_t comm,
                                  tuttiStream_t stream);

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

/* Calls between the two are collected per thread and enqueued together at the outermost tuttiGroupEnd: so one thread can drive several
 * ranks, sends and receives run concurrently, and collectives are fused. Groups nest. tuttiGroupEnd returns the first error
 * of the group; then none of its calls has been enqueued. tuttiInvalidUsage without a matching start. */
TUTTI_API tuttiResult_t tuttiGroupStart(void);
TUTTI_API tuttiResult_t tuttiGroupEnd(void);

/* ---- Streams and events (beyond NCCL: for host memory, with CUDA's meaning) ---------------------------------------- */

TUTTI_API tuttiResult_t tuttiStreamCreate(tuttiStream_t* stream);
/* Waits for the stream's work, then frees it. NULL is tuttiInvalidArgument. */
TUTTI_API tuttiResult_t tuttiStreamDestroy(tuttiStream_t stream);

/* Blocks until all work enqueued on `stream` has completed; the waiting thread carries the work on itself. Buffers may be reused once it
 * returns tuttiSuccess. Returns the first error of work on the stream since the last synchronisation. */
TUTTI_API tuttiResult_t tuttiStreamSynchronize(tuttiStream_t stream);
/* tuttiSuccess when all work has completed, tuttiInProgress when not, or its first error. Never blocks. */
TUTTI_API tuttiResult_t tuttiStreamQuery(tuttiStream_t stream);

TUTTI_API tuttiResult_t tuttiEventCreate(tuttiEvent_t* event);
TUTTI_API tuttiResult_t tuttiEventDestroy(tuttiEvent_t event);
/* The event stands for all work enqueued on `stream` so far; recording again replaces it. */
TUTTI_API tuttiResult_t tuttiEventRecord(tuttiEvent_t event, tuttiStream_t stream);
/* Blocks until the recorded work has completed. An event never recorded counts as completed. */
TUTTI_API tuttiResult_t tuttiEventSynchronize(tuttiEvent_t event);
TUTTI_API tuttiResult_t tuttiEventQuery(tuttiEvent_t event);
/* Work enqueued on `stream` from now on starts only after the work `event` stands for at this moment. Never blocks. */
TUTTI_API tuttiResult_t tuttiStreamWaitEvent(tuttiStream_t stream, tuttiEvent_t event);

/* Runs function(userData) in stream order, on a thread of the library that does nothing else, so it may block. It must not call
 * Tutti. */
typedef void (*tuttiHostFunction_t)(void* userData);
TUTTI_API tuttiResult_t tuttiStreamLaunchHostFunc(tuttiStream_t stream, tuttiHostFunction_t function, void* userData);

#ifdef __cplusplus
}
#endif

#endif /* TUTTI_TUTTI_H_ */
