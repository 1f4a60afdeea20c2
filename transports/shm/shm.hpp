// SPDX-License-Identifier: Apache-2.0
// Frames between ranks of one host, through memory that both have mapped.
#pragma once

#include "transport/transport.hpp"

namespace tutti::transports::shm {

const transport::TransportType& type();

}  // namespace tutti::transports::shm
