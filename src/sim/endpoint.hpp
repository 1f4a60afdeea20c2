// SPDX-License-Identifier: Apache-2.0
// One end of a simulated connection: what it has sent and not yet seen arrive, and what has arrived and was not yet consumed.
// Passive; the network moves frames between endpoints.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/gang.hpp"
#include "base/status.hpp"
#include "sim/event_queue.hpp"
#include "sim/fifo.hpp"

namespace tutti::sim {

using PortId = uint32_t;
using EndpointId = uint32_t;
inline constexpr EndpointId kNoEndpoint = UINT32_MAX;

// Two words the network carries beside a payload, opaque to it.
using MessageHeader = std::array<uint64_t, 2>;

struct Message {
  MessageHeader header{};
  std::span<const std::byte> payload;
  uint64_t message_bytes = 0;  // of the whole, of which the payload is a piece; 0: there is no more. A fabric chooses the protocol by it
  Gang gang = {};              // that the whole message is in, among those of `gang_group`
  uint64_t gang_group = 0;
};

// Whether payloads are brought to the receiver, or only their sizes: machines of many ranks would need more memory than there is.
enum class Payloads : uint8_t { carried, sized };

enum class EndpointState : uint8_t { opening, open, failed, closed };

struct FlyingFrame {
  MessageHeader header{};
  uint64_t number = 0;  // of its channel, from 0
  uint64_t begin_ns = 0;
  uint64_t depart_ns = 0;
  uint64_t arrive_ns = 0;
  std::span<const std::byte> payload;  // the sender's memory, or `captured`
  std::vector<std::byte> captured;
  uint64_t message_bytes = 0;
  uint64_t link_bytes = 0;  // on the links of a fabric
  uint32_t way = 0;
  Gang gang = {};
  uint64_t gang_group = 0;
  uint64_t message_offset = 0;  // of the payload in the message; of a gang's
  uint64_t flight_gang = 0;     // as Flight::gang
  Payloads payloads = Payloads::carried;
  bool is_released = false;  // the sender has its memory back

  // Copies the payload away from the sender, who is about to take it back.
  void capture();
};

// One channel's outgoing direction.
struct Outgoing {
  Fifo<FlyingFrame> in_flight;
  uint64_t taken_bytes = 0;     // payload, ever
  uint64_t released_bytes = 0;  // payload, no longer read
  uint64_t window_used_bytes = 0;
  uint64_t frame_count = 0;
  // On a fabric: frames leave one after another. The first `departed_count` in flight have left, and the next one is leaving if `is_leaving`.
  size_t departed_count = 0;
  bool is_leaving = false;
  uint64_t latency_ns = 0;  // of the one that is leaving
  uint32_t way = 0;         // of the message that it is a piece of
  uint64_t way_bytes = 0;   // of that message, which are still to leave
  uint64_t gang_bytes = 0;  // of the message in a gang whose frames are being taken: those that have been
  uint64_t last_arrival_ns = 0;
};

struct ArrivedFrame {
  MessageHeader header{};
  std::span<const std::byte> payload;  // `owned`, or the receiver's landing
  std::vector<std::byte> owned;
  bool presented = false;  // peeked: its place is fixed until it is consumed
};

// One channel's incoming direction.
class Incoming {
 public:
  // Takes a copy of `frame`: into the landing that waits for it when it fits, else into memory of its own. Sized payloads are as if they had been copied:
  // nobody reads what they point to.
  void place(const FlyingFrame& frame);
  // The oldest frame, moved into `landing` when this is the first look and it fits; nullptr when there is none, and
  // then `landing` waits.
  const ArrivedFrame* peek(std::span<std::byte> landing);
  // Drops the oldest frame, which has been peeked; returns its payload's size.
  size_t pop();
  // Forgets the landing that waits; what has already landed moves to memory of its own.
  void let_go();
  bool empty() const { return arrived_.empty(); }

 private:
  Fifo<ArrivedFrame> arrived_;
  std::span<std::byte> landing_;
};

struct Endpoint {
  PortId port = 0;
  PortId peer_port = 0;
  uint32_t node = 0;
  uint32_t peer_node = 0;
  EndpointId peer = kNoEndpoint;
  EndpointState state = EndpointState::opening;
  bool was_open = false;
  bool greeted = false;  // its hello has arrived at the peer
  bool severed = false;  // whatever it sends from now on is lost, which it has not noticed yet
  Status failure;
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;

  // Stops reading the sender's memory and keeps what is in flight flying.
  void capture_in_flight();
  // Loses what is in flight.
  void drop_in_flight();
  // Loses what had not left by `at_ns`. Returns when the last of the rest arrives, 0 when there is none.
  uint64_t drop_after(uint64_t at_ns);
  // Nothing of the sender's memory is read any more.
  void release_all();
};

}  // namespace tutti::sim
