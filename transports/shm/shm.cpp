// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/shm.hpp"

#include "transports/shm/transport.hpp"

namespace tutti::transports::shm {

const transport::TransportType& type() {
  static constexpr transport::TransportType kType{.name = "shm", .preference = 100, .automatic = true, .create = &ShmTransport::create};
  return kType;
}

}  // namespace tutti::transports::shm
