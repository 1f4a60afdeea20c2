// SPDX-License-Identifier: Apache-2.0
// Ranks tell each other where their buffers lie: one peer by a signal, or all of them before the first step.
#pragma once

#include <cstdint>

#include "engine/interpreter.hpp"
#include "engine/operation.hpp"
#include "transport/transport.hpp"

namespace tutti::engine {

// Finds out, once, what `peer` must be told about this rank's buffers.
void publish(Operation& operation, LinkTable& links, uint32_t peer);

struct Way {
  uint32_t peer = 0;
  uint32_t channel = 0;
};
// Takes the peer's next frame, which can only be an announcement. `trouble` is written for Outcome::failed.
transport::Outcome take_announcement(Operation& operation, LinkTable& links, const Way& way, Trouble* trouble);

// All ranks tell each other where their buffers lie, on the operation's first channel. What they find is the same for all of them: whether every buffer
// is shared with everybody.
class MeetingOfAll {
 public:
  MeetingOfAll(Operation& operation, LinkTable& links, Trouble& trouble);

  // As far as it goes now. `done`: over. `failed`: `trouble` says why.
  transport::Outcome run();
  bool found_all_shared() const;

 private:
  void publish_all();
  // False if the link has failed.
  bool send(uint32_t peer, Meeting& meeting);

  Operation& operation_;
  LinkTable& links_;
  Trouble& trouble_;
  const uint32_t own_rank_;
  const uint32_t channel_;
};

}  // namespace tutti::engine
