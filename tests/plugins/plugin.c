/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in whose transport cannot be made. What it is compiled with says what else is wrong with it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tutti/plugin/transport_v1.h"

#ifndef NO_TABLE
#define NO_TABLE 0
#endif
#if defined(OTHER_VERSION)
#define VERSION 7
#else
#define VERSION TUTTI_TRANSPORT_PLUGIN_VERSION
#endif
#if defined(TOO_SMALL)
#define SIZE 24
#else
#define SIZE sizeof(tuttiTransportPlugin_v1_t)
#endif
#if defined(BAD_NAME)
#define NAME "Bad Name"
#elif defined(CALLED_TCP)
#define NAME "tcp"
#else
#define NAME "sham"
#endif
#if defined(NOT_AUTOMATIC)
#define AUTOMATIC 0
#else
#define AUTOMATIC 1
#endif

#if defined(TAKES_SIGNALS)
static void ignore(int number) { (void)number; }
__attribute__((constructor)) static void take_signals(void) { signal(SIGUSR2, ignore); }
#endif

static tuttiResult_t create(const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text, size_t capacity) {
  (void)transport;
  snprintf(text, capacity, "rank %u found no adapter", context->rank);
  return tuttiSystemError;
}
static void destroy(tuttiPluginTransport_t* transport) { (void)transport; }
static size_t address(tuttiPluginTransport_t* transport, void* bytes, size_t capacity) { return (void)transport, (void)bytes, (void)capacity, 0; }
static void connect_to(tuttiPluginTransport_t* transport, uint32_t peer, const void* bytes, size_t count) {
  (void)transport, (void)peer, (void)bytes, (void)count;
}
static void disconnect(tuttiPluginTransport_t* transport, uint32_t peer) { (void)transport, (void)peer; }
static tuttiPeerState_t state(tuttiPluginTransport_t* transport, uint32_t peer) { return (void)transport, (void)peer, tuttiPeerUnreachable; }
static void reason(tuttiPluginTransport_t* transport, uint32_t peer, char* text, size_t capacity) {
  (void)transport, (void)peer;
  snprintf(text, capacity, "a sham");
}
static tuttiPluginLink_t* link_to(tuttiPluginTransport_t* transport, uint32_t peer) { return (void)transport, (void)peer, NULL; }
#if !defined(NO_POLL)
static size_t poll_all(tuttiPluginTransport_t* transport) { return (void)transport, 0; }
#endif

static tuttiTransportOutcome_t try_send(tuttiPluginLink_t* link, uint32_t channel, const tuttiFrameHeader_t* header, const void* payload,
                                        size_t bytes) {
  return (void)link, (void)channel, (void)header, (void)payload, (void)bytes, tuttiTransportFailed;
}
static uint64_t released_bytes(tuttiPluginLink_t* link, uint32_t channel) { return (void)link, (void)channel, 0; }
static tuttiTransportOutcome_t peek(tuttiPluginLink_t* link, uint32_t channel, void* landing, size_t bytes, tuttiFrame_t* frame) {
  return (void)link, (void)channel, (void)landing, (void)bytes, (void)frame, tuttiTransportFailed;
}
static void pop(tuttiPluginLink_t* link, uint32_t channel) { (void)link, (void)channel; }
static void let_go(tuttiPluginLink_t* link) { (void)link; }
static tuttiResult_t failure(tuttiPluginLink_t* link, char* text, size_t capacity) { return (void)link, (void)text, (void)capacity, tuttiSuccess; }
static size_t max_frame_bytes(tuttiPluginLink_t* link) { return (void)link, 0; }
static void estimate(tuttiPluginLink_t* link, tuttiLinkEstimate_t* to) { (void)link, (void)to; }
static void describe(tuttiPluginLink_t* link, char* text, size_t capacity) { (void)link, (void)text, (void)capacity; }

static const tuttiLinkFunctions_v1_t kLinks = {.size = sizeof(tuttiLinkFunctions_v1_t),
                                               .trySend = try_send,
                                               .releasedBytes = released_bytes,
                                               .peek = peek,
                                               .pop = pop,
                                               .letGo = let_go,
                                               .failure = failure,
                                               .maxFrameBytes = max_frame_bytes,
                                               .estimate = estimate,
                                               .describe = describe};

static const tuttiTransportPlugin_v1_t kPlugin = {.size = SIZE,
                                                  .version = VERSION,
                                                  .name = NAME,
                                                  .preference = 500,
                                                  .automatic = AUTOMATIC,
                                                  .create = create,
                                                  .destroy = destroy,
                                                  .address = address,
                                                  .connect = connect_to,
                                                  .disconnect = disconnect,
                                                  .state = state,
                                                  .reason = reason,
                                                  .link = link_to,
#if !defined(NO_POLL)
                                                  .poll = poll_all,
#endif
                                                  .links = &kLinks};

const tuttiTransportPlugin_v1_t* tuttiTransportPlugin_v1(void) { return NO_TABLE ? NULL : &kPlugin; }
