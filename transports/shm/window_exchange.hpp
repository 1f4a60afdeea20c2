// SPDX-License-Identifier: Apache-2.0
// How two processes come to map each other's windows (transport/windows.hpp): over the socket on which they met they send each other records
// of fixed size,
//
//   passed  a window's number and size, and its memfd by SCM_RIGHTS, before its first use by the peer
//   gone    its number, once its memory has been freed
//
// Nothing blocks: records that the socket does not take are kept for later. A peer that breaks these rules is found out by receive().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>

#include "base/descriptor.hpp"
#include "base/status.hpp"
#include "transport/windows.hpp"
#include "transports/shm/local_socket.hpp"
#include "transports/shm/segment.hpp"

namespace tutti::transports::shm {

// As many windows each side has mapped of the other at most.
inline constexpr size_t kMaxWindows = 4096;

struct WindowRecord {
  static constexpr uint32_t kMagic = 0x57485354;  // "TSHW"
  enum Kind : uint32_t { passed = 1, gone = 2 };

  uint32_t magic = kMagic;
  uint32_t kind = 0;
  uint64_t window = 0;
  uint64_t size_bytes = 0;  // of passed ones
};

class WindowExchange {
 public:
  // `socket` outlives it.
  explicit WindowExchange(const Descriptor& socket) : socket_(socket) {}

  // Makes sure that the peer has `window` or will have it. False when it has as many as it may.
  bool pass(const std::shared_ptr<transport::Window>& window);
  // Tells the peer which windows are gone, and what it could not be told before.
  void send();
  // Takes in what the peer has sent, a bounded number of records. Errors: what the peer did wrong, "passed a window ...".
  Status receive();
  // Whether the peer has closed the socket, as send() or receive() found.
  bool closed() const { return closed_; }

  // A window of the peer; null while it has not come. The object is valid until the next receive(), its addresses until the link ends, unless the
  // peer frees dozens of windows more after this one.
  const Segment* find(uint64_t window);
  size_t mapped_count() const { return mapped_.size(); }

 private:
  struct Outgoing {
    WindowRecord record;
    std::shared_ptr<transport::Window> window;  // whose memfd goes along; may be null
  };
  // Numbers begin with 1, so 0 stands for none.
  struct Found {
    uint64_t window = 0;
    const Segment* segment = nullptr;
  };
  static constexpr size_t kRecent = 4;  // windows that are found without a search; a power of two
  static constexpr size_t kMaxRetired = 64;

  void forget_freed();
  void flush();
  Status take(const WindowRecord& record, const Descriptor& memfd);
  Status take_passed(const WindowRecord& record, const Descriptor& memfd);
  Status take_gone(const WindowRecord& record);

  const Descriptor& socket_;
  bool closed_ = false;
  // Own windows that the peer has or will have, and the table's version up to which none of them is gone.
  std::unordered_map<uint64_t, std::shared_ptr<transport::Window>> passed_;
  std::array<uint64_t, kRecent> recently_passed_{};
  uint64_t version_ = 0;
  std::deque<Outgoing> outgoing_;  // at most 2 * kMaxWindows
  // The peer's.
  std::unordered_map<uint64_t, Segment> mapped_;
  std::array<Found, kRecent> recently_found_{};
  // Windows that are gone, without their memory: a peer that has given up on a call may free what this rank still works on. At most kMaxRetired.
  std::deque<Segment> retired_;
  std::array<std::byte, sizeof(WindowRecord)> incoming_{};
  size_t incoming_bytes_ = 0;
  Descriptor incoming_memfd_;
};

}  // namespace tutti::transports::shm
