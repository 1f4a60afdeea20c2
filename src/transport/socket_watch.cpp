// SPDX-License-Identifier: Apache-2.0
#include "transport/socket_watch.hpp"

#include <cerrno>

namespace tutti::transport {

Result<SocketWatch> SocketWatch::open(const Acceptor& acceptor) {
  SocketWatch watch;
  watch.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!watch.epoll_.valid()) {
    return tl::make_unexpected(system_error(errno, "epoll_create1"));
  }
  for (const int socket : acceptor.sockets()) {
    TUTTI_UNEXPECTED_IF_ERROR(watch.add_token(socket, kListenerToken));
  }
  return watch;
}

Status SocketWatch::add_token(int socket, uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = token;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) == 0 ? Status() : system_error(errno, "epoll_ctl");
}

}  // namespace tutti::transport
