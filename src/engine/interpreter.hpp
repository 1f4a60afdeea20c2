// SPDX-License-Identifier: Apache-2.0
// Runs the schedule of one operation a little further: the only code that knows both steps and frames.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/zeroed_array.hpp"
#include "engine/operation.hpp"
#include "transport/transport.hpp"

namespace tutti::engine {

// The links of one communicator, by rank, with what has been sent on each channel so far. Links belong to the communicator's transports; the
// one to the own rank is a loopback. Ranks without a link are those that nothing is sent to or received from.
class LinkTable {
 public:
  explicit LinkTable(uint32_t rank_count) : links_(rank_count), taken_bytes_(size_t{rank_count} * transport::kChannelCount) {}
  explicit LinkTable(const std::vector<transport::Link*>& links) : LinkTable(static_cast<uint32_t>(links.size())) {
    for (uint32_t rank = 0; rank < links.size(); ++rank) {
      if (links[rank] != nullptr) {
        links_[rank] = links[rank];
      }
    }
  }

  uint32_t rank_count() const { return static_cast<uint32_t>(links_.size()); }
  transport::Link& operator[](uint32_t rank) { return *links_[rank]; }
  bool has(uint32_t rank) const { return links_[rank] != nullptr; }
  void add(uint32_t rank, transport::Link& link) { links_[rank] = &link; }
  // Payload bytes that try_send has taken, the counterpart of Link::released_bytes.
  uint64_t& taken_bytes(uint32_t rank, uint32_t channel) { return taken_bytes_[rank * transport::kChannelCount + channel]; }

 private:
  ZeroedArray<transport::Link*> links_;
  ZeroedArray<uint64_t> taken_bytes_;
};

// What went wrong between this rank and a peer, for the executor to put into words.
struct Trouble {
  enum class Kind : uint8_t {
    none,
    link_failed,      // the link's failure() says why
    foreign_frame,    // the next frame belongs to a call with another fingerprint or sequence
    wrong_length,     // the same call, but the peer sends another number of bytes
  };
  Kind kind = Kind::none;
  uint32_t peer = 0;
  uint64_t expected_bytes = 0;
  uint64_t received_bytes = 0;
  uint64_t received_word = 0;  // the frame's, of a foreign frame
};

enum class Advance : uint8_t { idle, worked, complete, troubled };

// How far the message has come that a frame should belong to.
struct Expected {
  uint32_t peer = 0;
  uint64_t total_bytes = 0;
  uint64_t moved_bytes = 0;
};
// Checks a frame before a byte of it is used; `trouble` is written if it is of another call or length.
bool belongs_here(const Operation& operation, const transport::Frame& frame, const Expected& expected, Trouble* trouble);

// Sets up lanes and step states; called when the operation is submitted. Allocates only if an operation object has never run a schedule this large.
void prepare(Operation& operation);

// Leaves out the meeting that the operation would begin with.
void pass_meeting(Operation& operation);

// Moves every lane as far as it goes now, within a bounded amount of work. `trouble` is written for Advance::troubled.
Advance advance(Operation& operation, LinkTable& links, Trouble* trouble);

// Peers whose frames, or whose room for frames, the operation is waiting for.
void collect_awaited_peers(const Operation& operation, std::vector<uint32_t>* peers);

}  // namespace tutti::engine
