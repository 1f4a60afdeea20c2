// SPDX-License-Identifier: Apache-2.0
// Where an executor gets links that it does not have from the beginning.
#pragma once

#include <cstdint>

#include "base/status.hpp"
#include "transport/transport.hpp"

namespace tutti::engine {

class LinkOpener {
 public:
  virtual ~LinkOpener() = default;

  // Begins to connect to `peer`, which does the same, or looks how far that is; returns at once. Null while it goes on, then the link, which outlives the
  // executor's use of it. Errors: tuttiSystemError naming the pair, the transport and why it does not connect them.
  virtual Result<transport::Link*> open(uint32_t peer) = 0;
};

}  // namespace tutti::engine
