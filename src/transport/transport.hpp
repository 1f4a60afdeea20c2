// SPDX-License-Identifier: Apache-2.0
// What a transport is: something that moves frames between the ranks of one communicator, in order per channel, without ever blocking.
//
// A *frame* is a header and up to Link::max_frame_bytes() of payload. A *channel* is an ordered, flow-controlled sequence of frames from one
// rank to another: a receiver that leaves a channel unread delays that channel only. A *link* is the pair of both directions between
// this rank and one peer, with kChannelCount channels each way.
//
// Threading: a transport and its links belong to one communicator and are called by one thread at a time (the owner of the communicator's
// progress). A transport has no thread of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/gang.hpp"
#include "base/settings.hpp"
#include "base/status.hpp"

namespace tutti::transport {

inline constexpr uint32_t kControlChannel = 0;         // inquiries, failures, goodbyes
inline constexpr uint32_t kPointToPointChannel = 1;
inline constexpr uint32_t kFirstCollectiveChannel = 2;
inline constexpr uint32_t kCollectiveChannelCount = 6;
inline constexpr uint32_t kChannelCount = kFirstCollectiveChannel + kCollectiveChannelCount;

// What the engine says with each frame; opaque to transports.
struct FrameHeader {
  uint64_t call = 0;           // fingerprint and sequence of the call it belongs to
  uint64_t message_bytes = 0;  // of the whole message, of which the frame carries a piece

  bool operator==(const FrameHeader&) const = default;
};

struct Frame {
  FrameHeader header;
  std::span<const std::byte> payload;  // valid until pop()
};

enum class Outcome : uint8_t { done, would_block, failed };

// Where memory of a rank lies, as its peer is told. The peer checks it before it uses it.
struct MemoryAddress {
  uint64_t window = 0;  // of the owner's process; 0: memory that cannot be shared
  uint64_t offset = 0;  // into the window, or the address in the owner's process

  bool operator==(const MemoryAddress&) const = default;
};

// What a link is expected to do, and how that is known.
struct LinkEstimate {
  uint64_t latency_ns = 0;             // one way, a frame of 8 bytes
  uint64_t bandwidth_bytes_per_s = 0;  // one direction, large messages
  std::string_view source;             // "measured by ...", "default for loopback"
  bool reaches_memory = false;         // this rank can read any memory of the peer, and share what the peer has from tuttiMemAlloc; probed
  bool copies_out = false;             // what arrives is copied, as from a socket, before peek() gives it
  bool copied_by_cores = false;        // the bandwidth is that of cores which copy as topology::MemorySpeed's reference does
};

// What is taken of an estimate that comes from elsewhere: more than any link has, and little enough that sums of prices do not overflow.
inline constexpr uint64_t kMostLatency_ns = 10'000'000'000;
inline constexpr uint64_t kMostBandwidth_bytes_per_s = 100'000'000'000'000;

class Link {
 public:
  virtual ~Link() = default;

  // Offers a frame of at most max_frame_bytes(). `done`: taken; the payload must stay unchanged until unreleased(channel) is 0, or, per frame,
  // until released_bytes(channel) has grown past it. `would_block`: not taken, try again later. `failed`: see failure().
  virtual Outcome try_send(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) = 0;
  // The same of a frame whose message is in a gang. All messages of a gang are cut into frames alike, so that these can travel together.
  virtual Outcome try_send_in_gang(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload, const Gang&) {
    return try_send(channel, header, payload);
  }
  // Payload bytes, counted from the link's beginning, that try_send took on `channel` and that the link no longer reads.
  virtual uint64_t released_bytes(uint32_t channel) const = 0;

  // Looks at the next frame on `channel`. `done`: `*frame` is it. The same frame is returned until pop(). `landing`, when not empty, is memory
  // into which the link may receive the payload directly, if it is exactly as large as the payload turns out or larger; then
  // frame->payload.data() == landing.data(). It must stay valid until the frame has been popped or the link destroyed, even if this call
  // returns would_block; later calls for the same frame must pass the same landing or a prefix-compatible one (same data()).
  virtual Outcome peek(uint32_t channel, std::span<std::byte> landing, Frame* frame) = 0;
  // Gives the peeked frame's memory back.
  virtual void pop(uint32_t channel) = 0;

  // From now on the link touches no memory of its callers: payloads it has taken but not sent are copied, payloads it is receiving go to
  // memory of its own, and the peer's enter() fails. Waits, but not for long, until the peer has left. Called when operations are given up, before their
  // buffers go back to the user.
  virtual void let_go() {}

  // ---- Memory of the peer, for links whose estimate says reaches_memory; others never have these called ----

  // What the peer must be told to reach this rank's `memory`, which stays where it is until the peer has said that it is done with it. Whatever
  // the peer needs beside the address is on its way when this returns.
  virtual MemoryAddress publish(std::span<const std::byte>) { return {}; }
  // Whether the peer can write to what lies at `own`, which publish() returned: then its share() of it succeeds.
  virtual bool is_shared(const MemoryAddress&) const { return false; }
  // Makes `bytes` at `address` of the peer ones that this process can load and store, or sets `*memory` to null if they can only be read by fetch().
  // `would_block`: not yet. `failed`: see failure().
  virtual Outcome share(const MemoryAddress&, uint64_t, std::byte**) { return Outcome::failed; }
  // Called before this rank loads from or stores to what share() gave, and may be nested. False: the peer has let go of its memory, and what it says of its
  // failure is on the way. After each true comes a leave().
  virtual bool enter() { return true; }
  virtual void leave() {}
  // Copies from the peer's memory at `address` into `target`. Blocks as long as the copying takes.
  virtual Outcome fetch(const MemoryAddress&, std::span<std::byte>) { return Outcome::failed; }

  // Why the link failed: tuttiRemoteError when the peer died, with words that do not name the rank ("connection reset by peer"). ok() while it
  // works. Sticky. Frames that arrived before the failure can still be peeked.
  virtual const Status& failure() const = 0;

  virtual size_t max_frame_bytes() const = 0;
  virtual LinkEstimate estimate() const = 0;
  // "shm", "tcp 127.0.0.1:4711 -> 127.0.0.1:4712"
  virtual std::string describe() const = 0;
};

enum class PeerState : uint8_t { connecting, connected, unreachable };

inline constexpr size_t kSecretBytes = 32;
using Secret = std::array<std::byte, kSecretBytes>;

// What a transport is made with. References outlive it.
struct TransportContext {
  uint32_t rank = 0;
  uint32_t rank_count = 1;
  uint64_t communicator_id = 0;  // equal on all ranks, unlike any other communicator's with high probability
  const Secret& secret;          // links authenticate with it, both ways
  std::string host_id;           // equal on ranks that may share a host; only a working probe shows that they do
  const Clock& clock;
  const Settings& settings;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // What peers must know to reach this rank; the bootstrap carries it to them. At most kMaxAddressBytes.
  virtual std::vector<std::byte> address() const = 0;
  // Starts to connect to `peer`; both sides call it, each with the other's address. An address that makes no sense leaves the peer
  // unreachable. Returns at once; poll() carries the attempt on.
  virtual void connect(uint32_t peer, std::span<const std::byte> peer_address) = 0;
  // Gives up connecting to `peer`, or drops its link.
  virtual void disconnect(uint32_t peer) = 0;
  virtual PeerState state(uint32_t peer) const = 0;
  // Why `peer` is unreachable: "other host", "no address in common".
  virtual std::string reason(uint32_t peer) const = 0;
  // Non-null once connected, until disconnect().
  virtual Link* link(uint32_t peer) = 0;

  // Takes the place of its type's preference, where that depends on what it has found on this machine. Ranks go by the highest of any of them.
  virtual std::optional<int> preference() const { return std::nullopt; }

  // Carries on handshakes and unfinished sends; looks for dead peers at a bounded rate of its own. Returns how much it did.
  virtual size_t poll() = 0;
};

inline constexpr size_t kMaxAddressBytes = 1024;

// One row of the registry's table.
struct TransportType {
  std::string_view name;
  // Among the transports that reach a peer the highest preference is used.
  int preference;
  // Whether ordinary communicators consider it; `sim` and `fault` are asked for by name.
  bool automatic;
  Result<std::unique_ptr<Transport>> (*create)(const TransportContext& context);
};

}  // namespace tutti::transport
