// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/socket_error.hpp"

#include <cerrno>

namespace tutti::transports::tcp {

Status connection_error(int error) {
  switch (error) {
    case ECONNRESET: return remote_error("connection reset by peer");
    case EPIPE: return remote_error("connection closed by peer");
    case ETIMEDOUT: return remote_error("connection timed out");
    default: break;
  }
  return remote_error("connection lost: {}", system_error(error, "socket").message());
}

}  // namespace tutti::transports::tcp
