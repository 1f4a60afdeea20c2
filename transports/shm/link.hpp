// SPDX-License-Identifier: Apache-2.0
// A link over a shared segment. Sending and receiving make no system call. The socket over which the two ranks met stays open: windows are passed
// over it, and by its end the kernel tells when the peer has gone.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "transport/transport.hpp"
#include "transport/windows.hpp"
#include "transports/shm/layout.hpp"
#include "transports/shm/local_socket.hpp"
#include "transports/shm/peer_process.hpp"
#include "transports/shm/ring.hpp"
#include "transports/shm/segment.hpp"
#include "transports/shm/window_exchange.hpp"

namespace tutti::transports::shm {

class ShmLink final : public transport::Link {
 public:
  struct Parts {
    Segment segment;
    Geometry geometry;
    Direction outgoing = Direction::from_lower_rank;
    Descriptor socket;
    // Readable once the peer's process has ended, even if a child of it still holds its socket. May be invalid.
    Descriptor process_watch;
    pid_t process_id = 0;  // 0: unknown
    Reach reach = Reach::none;
    bool reaches_memory = false;  // and may
  };

  explicit ShmLink(Parts parts);
  // Ends the socket for the peer too, whoever else holds it.
  ~ShmLink() override;

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override;
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  transport::MemoryAddress publish(std::span<const std::byte> memory) override;
  bool is_shared(const transport::MemoryAddress& own) const override { return own.window != 0; }
  transport::Outcome share(const transport::MemoryAddress& address, uint64_t byte_count, std::byte** memory) override;
  transport::Outcome fetch(const transport::MemoryAddress& address, std::span<std::byte> target) override;
  void let_go() override;
  bool enter() override;
  void leave() override;
  const Status& failure() const override { return failure_; }
  size_t max_frame_bytes() const override { return parts_.geometry.slot_bytes; }
  transport::LinkEstimate estimate() const override;
  std::string describe() const override { return "shm"; }

  const Descriptor& socket() const { return parts_.socket; }
  const Descriptor& process_watch() const { return parts_.process_watch; }
  // The socket or the process has ended: no frame will follow those already published.
  void end();
  // Tells the peer about own windows that are gone, and lets go of them.
  void send_windows();
  // Takes in what the peer says about its windows.
  void receive_windows();

 private:
  // Fails the link because the peer broke the segment's rules.
  transport::Outcome fail(const std::string& violation);
  // What share() does for memory that lies in a window of another process.
  transport::Outcome share_window(const transport::MemoryAddress& address, uint64_t byte_count, std::byte** memory);
  transport::Outcome read_peer(uint64_t address, std::span<std::byte> target);
  bool has_peer_ended() const;

  Parts parts_;
  DirectionMemory outgoing_;
  DirectionMemory incoming_;
  uint32_t entered_ = 0;  // how often without leave()
  Writer writer_;
  std::vector<Reader> readers_;  // by channel
  transport::WindowCache window_cache_;
  WindowExchange windows_{parts_.socket};
  Status failure_;
};

}  // namespace tutti::transports::shm
