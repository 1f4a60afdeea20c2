/* SPDX-License-Identifier: Apache-2.0
 *
 * What a transport outside of Tutti's tree is made of: a shared library that exports one function, tuttiTransportPlugin_v1, which gives tables of
 * functions. Tutti loads it (docs/design/transports.md: where from), makes one transport for each communicator, and lets it connect pairs of ranks.
 *
 * A *frame* is a header and up to maxFrameBytes of payload. A *channel* is an ordered, flow-controlled sequence of frames from one rank to another: a
 * receiver that leaves a channel unread delays that channel only. A *link* is the pair of both directions between this rank and one peer, with
 * TUTTI_TRANSPORT_CHANNELS channels each way. Between two ranks one transport carries all frames.
 *
 * Conventions of every function of the tables, unless its own comment says otherwise:
 *  - It returns at once and never waits for a peer. What cannot be done yet is tuttiTransportWouldBlock, or is carried on by poll.
 *  - A transport and its links belong to one communicator and are called by one thread at a time, not always the same. Transports of different
 *    communicators are called by different threads at the same time.
 *  - It throws no C++ exception, raises no signal, does not fork, and calls no function of tutti.h.
 *  - Peers are ranks below rankCount and unlike the own rank; channels are below TUTTI_TRANSPORT_CHANNELS.
 *  - A text is written as snprintf would, to `text` of `capacity` bytes: cut off if it is longer, and always ended by a zero. `capacity` is at
 *    least 1, at most TUTTI_TRANSPORT_TEXT_BYTES.
 *  - Each struct begins with its size in bytes as its maker was compiled. Later versions of this header add members at ends of structs only; who
 *    reads a struct looks at no member beyond its size.
 *
 * Tutti checks what it is given (null pointers, sizes, lengths, unknown values) and gives up the peer concerned where something is wrong; but a
 * plug-in runs in the program's process with all of its rights. */
#ifndef TUTTI_PLUGIN_TRANSPORT_V1_H_
#define TUTTI_PLUGIN_TRANSPORT_V1_H_

#include <stddef.h>
#include <stdint.h>

#include "tutti/tutti.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUTTI_TRANSPORT_PLUGIN_VERSION 1u

#define TUTTI_TRANSPORT_CHANNELS 8u
#define TUTTI_TRANSPORT_SECRET_BYTES 32u
#define TUTTI_TRANSPORT_NAME_BYTES 32u            /* longest name, with its zero */
#define TUTTI_TRANSPORT_MOST_ADDRESS_BYTES 1024u  /* longest address */
#define TUTTI_TRANSPORT_TEXT_BYTES 1024u          /* longest text, with its zero */
#define TUTTI_TRANSPORT_SOURCE_BYTES 128u         /* of an estimate, with its zero */
#define TUTTI_TRANSPORT_LEAST_FRAME_BYTES 1024u   /* that maxFrameBytes may say */
#define TUTTI_TRANSPORT_MOST_FRAME_BYTES (1u << 30)

/* Opaque to Tutti: what the plug-in's functions are about. */
typedef struct tuttiPluginTransport tuttiPluginTransport_t;
typedef struct tuttiPluginLink tuttiPluginLink_t;

typedef enum tuttiTransportOutcome {
  tuttiTransportDone = 0,
  tuttiTransportWouldBlock = 1,
  tuttiTransportFailed = 2 /* the link's `failure` says why */
} tuttiTransportOutcome_t;

typedef enum tuttiPeerState {
  tuttiPeerConnecting = 0,
  tuttiPeerConnected = 1,
  tuttiPeerUnreachable = 2 /* `reason` says why; also a peer that has never been asked for */
} tuttiPeerState_t;

typedef enum tuttiLogLevel { tuttiLogTrace = 0, tuttiLogInfo = 1, tuttiLogWarn = 2, tuttiLogError = 3 } tuttiLogLevel_t;

/* What the engine says with each frame. Transports carry it unchanged and do not look into it. */
typedef struct tuttiFrameHeader {
  uint64_t call;
  uint64_t messageBytes;
} tuttiFrameHeader_t;

/* A frame that has arrived. */
typedef struct tuttiFrame {
  tuttiFrameHeader_t header;
  const void* payload; /* may be NULL if payloadBytes is 0; valid until pop */
  size_t payloadBytes;
} tuttiFrame_t;

/* Messages that switches between ranks can carry as one. */
typedef struct tuttiGang {
  uint32_t number;       /* the same on all ranks, for one collective */
  uint32_t messageCount; /* of all ranks together, at least 1 */
} tuttiGang_t;

/* Where memory of a rank lies, as its peer is told. It comes from the peer: check it before using it. */
typedef struct tuttiMemoryAddress {
  uint64_t window; /* of the owner's process; 0: memory that cannot be shared */
  uint64_t offset; /* into the window, or the address in the owner's process */
} tuttiMemoryAddress_t;

/* What a link is expected to do. Figures decide which algorithms are used: give what has been measured, or what the hardware is sold as, and say
 * which. */
typedef struct tuttiLinkEstimate {
  size_t size;                  /* set by the caller */
  uint64_t latencyNs;           /* one way, a frame of 8 bytes; Tutti takes at most 10^10 */
  uint64_t bandwidthBytesPerS;  /* one direction, large messages; Tutti takes 1 to 10^14 */
  int reachesMemory;            /* 1: this rank can read any memory of the peer: publish, share, enter, leave and fetch may be called. Probed. */
  int copiesOut;                /* 1: what arrives is copied to where Tutti gets it, as from a socket; 0: it is given to Tutti where it lies */
  char source[TUTTI_TRANSPORT_SOURCE_BYTES]; /* "measured at connect", "link speed of the adapter" */
} tuttiLinkEstimate_t;

/* What a transport is made with. It and what it points to stay until destroy has returned. */
typedef struct tuttiTransportContext_v1 {
  size_t size;
  uint32_t rank;
  uint32_t rankCount;
  uint64_t communicatorId; /* equal on all ranks, unlike any other communicator's with high probability */
  /* TUTTI_TRANSPORT_SECRET_BYTES bytes that only the ranks of the communicator know. Both sides of a connection that others could reach prove by it
   * that they belong there, without ever sending it. Never to be logged. */
  const unsigned char* secret;
  const char* hostId; /* equal on ranks that may share a host; only a working probe shows that they do */
  const void* host;   /* goes to the two functions below, which any thread may call */
  /* Nanoseconds since an arbitrary origin; never runs backwards. All time-outs are counted by it. */
  uint64_t (*nowNs)(const void* host);
  /* What Tutti's setting of this name says ("TUTTI_TIMEOUT_MS", as docs/settings.md lists them), the default if it has not been set; NULL if there is
   * no such setting. The text stays until destroy. A plug-in's own variables are its own affair. */
  const char* (*setting)(const void* host, const char* name);
  /* Whether lines of this level are wanted. As `log`: the same for all communicators, and to be called by any thread at any time. */
  int (*logs)(tuttiLogLevel_t level);
  /* Writes a line to Tutti's log. No line feed at its end, no secret and no user's data in it. */
  void (*log)(tuttiLogLevel_t level, const char* line);
} tuttiTransportContext_v1_t;

/* Functions of a link. Those marked optional may be NULL. */
typedef struct tuttiLinkFunctions_v1 {
  size_t size;

  /* Offers a frame of at most maxFrameBytes. Done: taken; the payload stays unchanged until releasedBytes(channel) has grown past it. WouldBlock:
   * not taken, and will be offered again. Failed: see failure. */
  tuttiTransportOutcome_t (*trySend)(tuttiPluginLink_t* link, uint32_t channel, const tuttiFrameHeader_t* header, const void* payload,
                                     size_t payloadBytes);
  /* Payload bytes, counted from the link's beginning, that trySend took on `channel` and that the link no longer reads. Never shrinks. */
  uint64_t (*releasedBytes)(tuttiPluginLink_t* link, uint32_t channel);
  /* Looks at the next frame on `channel`. Done: `*frame` is it, and the same one is returned until pop. WouldBlock: there is none. Frames that arrived
   * before a failure can still be peeked; after them comes Failed. `landing`, if landingBytes is not 0, is memory into which the link may receive the
   * payload directly if that is not longer; then frame->payload == landing. It stays valid until the frame has been popped, letGo has been called or
   * the link is gone, even if this call returns WouldBlock; later calls for the same frame pass the same landing, perhaps with another length. */
  tuttiTransportOutcome_t (*peek)(tuttiPluginLink_t* link, uint32_t channel, void* landing, size_t landingBytes, tuttiFrame_t* frame);
  /* Gives the peeked frame's memory back. Called after a peek that was Done, once. */
  void (*pop)(tuttiPluginLink_t* link, uint32_t channel);
  /* From now on the link touches no memory of its callers: payloads it has taken but not sent are copied and count as released, payloads it is
   * receiving go to memory of its own, and the peer's `enter` fails. The link works on. May wait, but not for long, until the peer has left. Called
   * when operations are given up, before their buffers go back to the user. */
  void (*letGo)(tuttiPluginLink_t* link);
  /* tuttiSuccess while the link works. Otherwise why it failed, for good: tuttiRemoteError when the peer died or the connection broke, with words in
   * `text` that do not name the rank ("connection reset by peer"). `text` is NULL and `capacity` 0 when nobody wants the words. Called often. */
  tuttiResult_t (*failure)(tuttiPluginLink_t* link, char* text, size_t capacity);
  /* TUTTI_TRANSPORT_LEAST_FRAME_BYTES to TUTTI_TRANSPORT_MOST_FRAME_BYTES, always the same for one link. Longer messages are cut into such frames. */
  size_t (*maxFrameBytes)(tuttiPluginLink_t* link);
  void (*estimate)(tuttiPluginLink_t* link, tuttiLinkEstimate_t* estimate);
  /* "shm", "tcp 127.0.0.1:4711 -> 127.0.0.1:4712" */
  void (*describe)(tuttiPluginLink_t* link, char* text, size_t capacity);

  /* Optional: trySend for a frame whose message is in a gang. */
  tuttiTransportOutcome_t (*trySendInGang)(tuttiPluginLink_t* link, uint32_t channel, const tuttiFrameHeader_t* header, const void* payload,
                                           size_t payloadBytes, const tuttiGang_t* gang);

  /* ---- Memory of the peer: all of these, or none, in which case estimate's reachesMemory counts as 0 ---- */

  /* What the peer must be told to reach this rank's memory, which stays where it is until the peer has said that it is done with it. Whatever the
   * peer needs beside the address is on its way when this returns. */
  tuttiMemoryAddress_t (*publish)(tuttiPluginLink_t* link, const void* memory, size_t bytes);
  /* 1 if the peer can write to what lies at `own`, which publish returned: then its `share` of it succeeds. */
  int (*isShared)(tuttiPluginLink_t* link, tuttiMemoryAddress_t own);
  /* Makes `bytes` at `address` of the peer ones that this process can load and store, or sets `*memory` to NULL if they can only be read by fetch. */
  tuttiTransportOutcome_t (*share)(tuttiPluginLink_t* link, tuttiMemoryAddress_t address, uint64_t bytes, void** memory);
  /* Called before this rank loads from or stores to what `share` gave, and may be nested. 0: the peer has let go of its memory, and what it says of its
   * failure is on the way. After each 1 comes a leave. */
  int (*enter)(tuttiPluginLink_t* link);
  void (*leave)(tuttiPluginLink_t* link);
  /* Copies from the peer's memory at `address`. Blocks as long as the copying takes. WouldBlock is no answer. */
  tuttiTransportOutcome_t (*fetch)(tuttiPluginLink_t* link, tuttiMemoryAddress_t address, void* target, size_t bytes);
} tuttiLinkFunctions_v1_t;

/* A transport: what it is called and how it is made. The table and all that it points to stay as long as the process. */
typedef struct tuttiTransportPlugin_v1 {
  size_t size;
  uint32_t version; /* TUTTI_TRANSPORT_PLUGIN_VERSION */
  /* As TUTTI_TRANSPORTS names it: 1 to TUTTI_TRANSPORT_NAME_BYTES - 1 of a-z, 0-9 and _, unlike the other transports'. */
  const char* name;
  /* Of the transports that connect a pair of ranks the one with the highest preference is used: 100 is shm, 10 is tcp. */
  int preference;
  /* 1: communicators consider it by themselves. 0: only if TUTTI_TRANSPORTS names it. */
  int automatic;

  /* Makes `*transport`, for one communicator. It may probe the machine, but asks no peer. Any other result than tuttiSuccess, with the reason in `text`,
   * leaves the transport out of this communicator ("no adapter found"). Thread-safe. */
  tuttiResult_t (*create)(const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text, size_t capacity);
  /* Ends all links and frees all there is. Payloads that have not been released are no longer read when it returns; peers find their links failed.
   * Does not wait for peers. */
  void (*destroy)(tuttiPluginTransport_t* transport);
  /* Writes what peers must know to reach this rank, and returns its length, at most `capacity`, which is TUTTI_TRANSPORT_MOST_ADDRESS_BYTES. Called
   * once, after create; Tutti carries the bytes to all ranks. */
  size_t (*address)(tuttiPluginTransport_t* transport, void* address, size_t capacity);
  /* Starts to connect to `peer`; both sides call it, each with the other's address, at different times. An address that makes no sense, an empty one
   * among them (the peer has no such transport), leaves the peer unreachable. poll carries the attempt on. */
  void (*connect)(tuttiPluginTransport_t* transport, uint32_t peer, const void* address, size_t addressBytes);
  /* Gives up connecting to `peer`, or ends its link, which the peer finds failed. Nothing happens if there is neither. */
  void (*disconnect)(tuttiPluginTransport_t* transport, uint32_t peer);
  tuttiPeerState_t (*state)(tuttiPluginTransport_t* transport, uint32_t peer);
  /* Why `peer` is unreachable: "other host", "no address in common". */
  void (*reason)(tuttiPluginTransport_t* transport, uint32_t peer, char* text, size_t capacity);
  /* Once connected, until disconnect: the same, and not NULL, also after the link has failed. */
  tuttiPluginLink_t* (*link)(tuttiPluginTransport_t* transport, uint32_t peer);
  /* Carries on handshakes and unfinished sends; looks for dead peers at a bounded rate of its own. Returns how much it did, 0 for nothing. Called
   * again and again, also while nothing is going on, by whoever waits: keep it cheap. */
  size_t (*poll)(tuttiPluginTransport_t* transport);

  /* Of all links. */
  const tuttiLinkFunctions_v1_t* links;

  /* Optional: takes the place of `preference` for a transport that has been made, for those that depend on what they have found. Ranks go by the
   * highest that any of them says. */
  int (*preferenceOf)(tuttiPluginTransport_t* transport);
} tuttiTransportPlugin_v1_t;

/* What a plug-in exports. Called once, by any thread; NULL if it has no transport to offer. */
typedef const tuttiTransportPlugin_v1_t* (*tuttiTransportPluginFunction_v1_t)(void);
#define TUTTI_TRANSPORT_PLUGIN_FUNCTION_V1 "tuttiTransportPlugin_v1"
TUTTI_API const tuttiTransportPlugin_v1_t* tuttiTransportPlugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif /* TUTTI_PLUGIN_TRANSPORT_V1_H_ */
