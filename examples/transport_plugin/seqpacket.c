/* SPDX-License-Identifier: Apache-2.0
 *
 * An example of a plug-in: frames between processes of one host and one user, each a packet of a local socket. Every channel of a link has a socket of its
 * own, so the kernel's buffers do what a transport has to do for its channels: keep their order, and let one wait without the others.
 *
 * Of two ranks the lower one connects to the listening socket of the other, once for each channel, with a greeting that says for which. The other one
 * answers, once it has all of them and has been asked to connect too. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tutti/plugin/transport_v1.h"

#define CHANNELS TUTTI_TRANSPORT_CHANNELS
#define FRAME_BYTES 32768u /* a packet has to fit into a socket's buffer */
#define NAME_BYTES 16u     /* random, of a listening socket */
#define BACKLOG 1024
#define LOOK_INTERVAL_NS 1000000u        /* how often ends of connections are looked for */
#define MOST_SILENCE_NS 1000000000u      /* from a connection to its greeting */

typedef struct Greeting {
  uint64_t communicatorId;
  uint32_t from;
  uint32_t to;
  uint32_t channel;
  uint32_t unused;
} Greeting;

typedef struct Channel {
  int socket;
  uint64_t takenBytes;
  unsigned char* buffer; /* FRAME_BYTES, made when it is first needed */
  int peeked;            /* whether `frame` is the next one */
  tuttiFrame_t frame;
} Channel;

typedef struct Peer {
  tuttiPeerState_t state;
  char reason[128];
  uint64_t deadlineNs;
  int failed; /* the connection has ended; what has arrived before can still be read */
  Channel channels[CHANNELS];
} Peer;

typedef struct Transport {
  const tuttiTransportContext_v1_t* context;
  int listener;
  int pending; /* accepted, and has not sent its greeting yet; else -1 */
  uint64_t pendingUntilNs;
  struct sockaddr_un name;
  uint64_t nextLookNs;
  Peer* peers; /* by rank */
} Transport;

static const socklen_t kNameBytes = offsetof(struct sockaddr_un, sun_path) + 1 + NAME_BYTES;

static Transport* of(tuttiPluginTransport_t* transport) { return (Transport*)(void*)transport; }
static Peer* of_link(tuttiPluginLink_t* link) { return (Peer*)(void*)link; }
static uint64_t now_ns(const Transport* own) { return own->context->nowNs(own->context->host); }

static void close_if_open(int* socket) {
  if (*socket >= 0) {
    close(*socket);
  }
  *socket = -1;
}

static void drop(Peer* peer, const char* reason) {
  for (uint32_t channel = 0; channel < CHANNELS; ++channel) {
    close_if_open(&peer->channels[channel].socket);
    free(peer->channels[channel].buffer);
    peer->channels[channel] = (Channel){.socket = -1};
  }
  peer->state = tuttiPeerUnreachable;
  peer->failed = 0;
  snprintf(peer->reason, sizeof peer->reason, "%s", reason);
}

/* ---- Links --------------------------------------------------------------------------------------------------------- */

static tuttiTransportOutcome_t try_send(tuttiPluginLink_t* link, uint32_t channel, const tuttiFrameHeader_t* header, const void* payload,
                                        size_t bytes) {
  Peer* peer = of_link(link);
  if (peer->failed) {
    return tuttiTransportFailed;
  }
  struct iovec parts[2] = {{.iov_base = (void*)header, .iov_len = sizeof *header}, {.iov_base = (void*)payload, .iov_len = bytes}};
  const struct msghdr message = {.msg_iov = parts, .msg_iovlen = bytes == 0 ? 1 : 2};
  if (sendmsg(peer->channels[channel].socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
    peer->channels[channel].takenBytes += bytes;
    return tuttiTransportDone;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS || errno == ENOMEM) {
    return tuttiTransportWouldBlock;
  }
  peer->failed = 1;
  return tuttiTransportFailed;
}

/* The kernel has copied what has been sent. */
static uint64_t released_bytes(tuttiPluginLink_t* link, uint32_t channel) { return of_link(link)->channels[channel].takenBytes; }

/* One packet: header, what fits into the landing, and the rest where it would be if all of the payload lay in the buffer. */
static ssize_t receive(Channel* channel, void* landing, size_t landingBytes) {
  struct iovec parts[3] = {{.iov_base = &channel->frame.header, .iov_len = sizeof channel->frame.header},
                           {.iov_base = landing, .iov_len = landingBytes},
                           {.iov_base = channel->buffer + landingBytes, .iov_len = FRAME_BYTES - landingBytes}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  ssize_t received = recvmsg(channel->socket, &message, MSG_DONTWAIT);
  if (received < 0 && errno == ECONNRESET) { /* told once, ahead of packets that arrived before it */
    received = recvmsg(channel->socket, &message, MSG_DONTWAIT);
  }
  return received;
}

static tuttiTransportOutcome_t peek(tuttiPluginLink_t* link, uint32_t channel, void* landing, size_t landingBytes, tuttiFrame_t* frame) {
  Peer* peer = of_link(link);
  Channel* own = &peer->channels[channel];
  if (!own->peeked) {
    if (own->buffer == NULL && (own->buffer = malloc(FRAME_BYTES)) == NULL) {
      return tuttiTransportWouldBlock;
    }
    const size_t direct = landingBytes < FRAME_BYTES ? landingBytes : FRAME_BYTES;
    const ssize_t received = receive(own, landing, direct);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOMEM)) {
      return peer->failed ? tuttiTransportFailed : tuttiTransportWouldBlock;
    }
    if (received < (ssize_t)sizeof own->frame.header) { /* also the end, which is a packet of nothing */
      peer->failed = 1;
      return tuttiTransportFailed;
    }
    own->frame.payloadBytes = (size_t)received - sizeof own->frame.header;
    own->frame.payload = direct > 0 && own->frame.payloadBytes <= direct ? landing : own->buffer;
    if (own->frame.payload == own->buffer && direct > 0) {
      memcpy(own->buffer, landing, direct);
    }
    own->peeked = 1;
  }
  *frame = own->frame;
  return tuttiTransportDone;
}

static void pop(tuttiPluginLink_t* link, uint32_t channel) { of_link(link)->channels[channel].peeked = 0; }

/* Only a frame that lies in a landing is still in its caller's memory. */
static void let_go(tuttiPluginLink_t* link) {
  for (uint32_t channel = 0; channel < CHANNELS; ++channel) {
    Channel* own = &of_link(link)->channels[channel];
    if (own->peeked && own->frame.payload != own->buffer) {
      memcpy(own->buffer, own->frame.payload, own->frame.payloadBytes);
      own->frame.payload = own->buffer;
    }
  }
}

static tuttiResult_t failure(tuttiPluginLink_t* link, char* text, size_t capacity) {
  if (!of_link(link)->failed) {
    return tuttiSuccess;
  }
  if (text != NULL) {
    snprintf(text, capacity, "connection closed by the peer");
  }
  return tuttiRemoteError;
}

static size_t max_frame_bytes(tuttiPluginLink_t* link) {
  (void)link;
  return FRAME_BYTES;
}

static void estimate(tuttiPluginLink_t* link, tuttiLinkEstimate_t* to) {
  (void)link;
  to->latencyNs = 3000;
  to->bandwidthBytesPerS = 2000000000;
  to->copiesOut = 1;
  snprintf(to->source, sizeof to->source, "guess of the example");
}

static void describe(tuttiPluginLink_t* link, char* text, size_t capacity) {
  (void)link;
  snprintf(text, capacity, "seqpacket, %u local sockets", CHANNELS);
}

static const tuttiLinkFunctions_v1_t kLinks = {
    .size = sizeof(tuttiLinkFunctions_v1_t), .trySend = try_send, .releasedBytes = released_bytes, .peek = peek,
    .pop = pop, .letGo = let_go, .failure = failure, .maxFrameBytes = max_frame_bytes, .estimate = estimate, .describe = describe};

/* ---- Connecting ---------------------------------------------------------------------------------------------------- */

static int open_socket(void) { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

/* Whoever runs as the same user could look into this process's memory; the kernel vouches for that, so no secret has to be proven. */
static int is_own_user(int socket) {
  struct ucred theirs;
  socklen_t bytes = sizeof theirs;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &theirs, &bytes) == 0 && theirs.uid == geteuid();
}

/* Connects all channels and greets on each. The other side may not have accepted them when this returns. */
static int dial(const Transport* own, uint32_t rank, const struct sockaddr_un* name) {
  for (uint32_t channel = 0; channel < CHANNELS; ++channel) {
    const Greeting greeting = {own->context->communicatorId, own->context->rank, rank, channel, 0};
    int* socket = &own->peers[rank].channels[channel].socket;
    *socket = open_socket();
    if (*socket < 0 || connect(*socket, (const struct sockaddr*)name, kNameBytes) != 0 || !is_own_user(*socket) ||
        send(*socket, &greeting, sizeof greeting, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof greeting) {
      return 0;
    }
  }
  return 1;
}

/* Of the higher rank, once both want it. */
static void answer_if_complete(Peer* peer) {
  for (uint32_t channel = 0; channel < CHANNELS; ++channel) {
    if (peer->channels[channel].socket < 0) {
      return;
    }
  }
  if (send(peer->channels[0].socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) {
    peer->state = tuttiPeerConnected;
  } else {
    drop(peer, "the peer has gone");
  }
}

static void connect_to(tuttiPluginTransport_t* transport, uint32_t rank, const void* address, size_t bytes) {
  Transport* own = of(transport);
  Peer* peer = &own->peers[rank];
  if (peer->state != tuttiPeerUnreachable) {
    return;
  }
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (bytes != NAME_BYTES) {
    snprintf(peer->reason, sizeof peer->reason, "its address makes no sense");
    return;
  }
  memcpy(name.sun_path + 1, address, NAME_BYTES); /* a zero first: a name that is in no file system */
  const char* timeout = own->context->setting(own->context->host, "TUTTI_TIMEOUT_MS");
  const uint64_t timeoutMs = timeout == NULL ? 0 : strtoull(timeout, NULL, 10);
  peer->deadlineNs = timeoutMs == 0 || timeoutMs > UINT64_MAX / 2000000 ? UINT64_MAX : now_ns(own) + timeoutMs * 1000000;
  peer->state = tuttiPeerConnecting;
  if (own->context->rank > rank) {
    answer_if_complete(peer);
  } else if (!dial(own, rank, &name)) {
    char reason[128];
    snprintf(reason, sizeof reason, "cannot connect to its socket: %s", strerror(errno));
    drop(peer, reason);
  }
}

/* Looks for the answer of a higher rank, or for the end of patience. */
static size_t advance(const Transport* own, Peer* peer, uint32_t rank) {
  char byte;
  const int dials = own->context->rank < rank;
  const ssize_t received = dials ? recv(peer->channels[0].socket, &byte, 1, MSG_DONTWAIT) : -1;
  if (received == 1) {
    peer->state = tuttiPeerConnected;
  } else if (dials && (received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))) {
    drop(peer, "the peer hung up");
  } else if (now_ns(own) >= peer->deadlineNs) {
    drop(peer, "the peer did not connect in time");
  }
  return peer->state != tuttiPeerConnecting;
}

/* The pending connection becomes a channel's, if that is what it is for. */
static void sort_in(Transport* own, const Greeting* greeting, ssize_t received) {
  if (received == (ssize_t)sizeof *greeting && is_own_user(own->pending) && greeting->communicatorId == own->context->communicatorId &&
      greeting->to == own->context->rank && greeting->from < own->context->rank && greeting->channel < CHANNELS) {
    Peer* peer = &own->peers[greeting->from];
    int* socket = &peer->channels[greeting->channel].socket;
    if (*socket < 0 && peer->state != tuttiPeerConnected) {
      *socket = own->pending;
      own->pending = -1;
      if (peer->state == tuttiPeerConnecting) {
        answer_if_complete(peer);
      }
    }
  }
  close_if_open(&own->pending);
}

static size_t accept_all(Transport* own, uint64_t now) {
  for (size_t done = 0;; ++done) {
    if (own->pending < 0) {
      own->pending = accept4(own->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
      own->pendingUntilNs = now + MOST_SILENCE_NS;
    }
    Greeting greeting;
    const ssize_t received = own->pending < 0 ? -1 : recv(own->pending, &greeting, sizeof greeting, MSG_DONTWAIT);
    if (own->pending < 0 || (received < 0 && now < own->pendingUntilNs && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))) {
      return done;
    }
    sort_in(own, &greeting, received);
  }
}

static size_t poll_all(tuttiPluginTransport_t* transport) {
  Transport* own = of(transport);
  const uint64_t now = now_ns(own);
  int connecting = 0;
  for (uint32_t rank = 0; rank < own->context->rankCount; ++rank) {
    connecting += own->peers[rank].state == tuttiPeerConnecting;
  }
  if (connecting == 0 && now < own->nextLookNs) {
    return 0;
  }
  own->nextLookNs = now + LOOK_INTERVAL_NS;
  size_t done = accept_all(own, now);
  for (uint32_t rank = 0; rank < own->context->rankCount; ++rank) {
    Peer* peer = &own->peers[rank];
    if (peer->state == tuttiPeerConnecting) {
      done += advance(own, peer, rank);
    } else if (peer->state == tuttiPeerConnected && !peer->failed) {
      struct pollfd end = {.fd = peer->channels[0].socket, .events = 0};
      peer->failed = poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR)) != 0;
      done += (size_t)peer->failed;
    }
  }
  return done;
}

static void disconnect(tuttiPluginTransport_t* transport, uint32_t rank) { drop(&of(transport)->peers[rank], "disconnected"); }
static tuttiPeerState_t state(tuttiPluginTransport_t* transport, uint32_t rank) { return of(transport)->peers[rank].state; }

static void reason(tuttiPluginTransport_t* transport, uint32_t rank, char* text, size_t capacity) {
  snprintf(text, capacity, "%s", of(transport)->peers[rank].reason);
}

static tuttiPluginLink_t* link_to(tuttiPluginTransport_t* transport, uint32_t rank) {
  Peer* peer = &of(transport)->peers[rank];
  return peer->state == tuttiPeerConnected ? (tuttiPluginLink_t*)(void*)peer : NULL;
}

/* ---- The transport ------------------------------------------------------------------------------------------------- */

static void destroy(tuttiPluginTransport_t* transport) {
  Transport* own = of(transport);
  for (uint32_t rank = 0; own->peers != NULL && rank < own->context->rankCount; ++rank) {
    drop(&own->peers[rank], "");
  }
  close_if_open(&own->listener);
  close_if_open(&own->pending);
  free(own->peers);
  free(own);
}

static tuttiResult_t create(const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text, size_t capacity) {
  Transport* own = calloc(1, sizeof *own);
  Peer* peers = calloc(context->rankCount, sizeof *peers);
  if (own == NULL || peers == NULL) {
    free(own);
    free(peers);
    snprintf(text, capacity, "no memory for %u peers", context->rankCount);
    return tuttiSystemError;
  }
  *own = (Transport){.context = context, .listener = open_socket(), .pending = -1, .name = {.sun_family = AF_UNIX}, .peers = peers};
  for (uint32_t rank = 0; rank < context->rankCount; ++rank) {
    for (uint32_t channel = 0; channel < CHANNELS; ++channel) {
      peers[rank].channels[channel].socket = -1;
    }
    drop(&peers[rank], "never asked to connect");
  }
  if (getrandom(own->name.sun_path + 1, NAME_BYTES, 0) != NAME_BYTES || own->listener < 0 ||
      bind(own->listener, (const struct sockaddr*)&own->name, kNameBytes) != 0 || listen(own->listener, BACKLOG) != 0) {
    snprintf(text, capacity, "no listening socket: %s", strerror(errno));
    destroy((tuttiPluginTransport_t*)(void*)own);
    return tuttiSystemError;
  }
  context->log(tuttiLogInfo, "seqpacket: listening");
  *transport = (tuttiPluginTransport_t*)(void*)own;
  return tuttiSuccess;
}

static size_t address(tuttiPluginTransport_t* transport, void* bytes, size_t capacity) {
  (void)capacity; /* at least TUTTI_TRANSPORT_MOST_ADDRESS_BYTES */
  memcpy(bytes, of(transport)->name.sun_path + 1, NAME_BYTES);
  return NAME_BYTES;
}

/* Below shm and above tcp: between processes of one host it is better than sockets of a network. */
static const tuttiTransportPlugin_v1_t kPlugin = {
    .size = sizeof(tuttiTransportPlugin_v1_t), .version = TUTTI_TRANSPORT_PLUGIN_VERSION, .name = "seqpacket", .preference = 50, .automatic = 1,
    .create = create, .destroy = destroy, .address = address, .connect = connect_to, .disconnect = disconnect,
    .state = state, .reason = reason, .link = link_to, .poll = poll_all, .links = &kLinks};

const tuttiTransportPlugin_v1_t* tuttiTransportPlugin_v1(void) { return &kPlugin; }
