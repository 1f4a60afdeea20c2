// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/status.hpp"

namespace tutti::transports::tcp {

// A link's end by a socket's errno value, in words that do not name the peer, which the link does not know: "connection reset by peer".
Status connection_error(int error);

}  // namespace tutti::transports::tcp
