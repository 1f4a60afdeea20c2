// SPDX-License-Identifier: Apache-2.0
// What the links of a transport share: the endpoint, whose completions it hands out, and memory for messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "transports/ofi/endpoint.hpp"
#include "transports/ofi/registrations.hpp"
#include "transports/ofi/wire.hpp"

namespace tutti::transports::ofi {

// Memory for one message, sent or received.
struct MessageBuffer : Operation {
  MessageBuffer(Operation::Owner& operation_owner, std::span<std::byte, kMessageBytes> buffer_memory, Registration* slab)
      : Operation(operation_owner), memory(buffer_memory), registration(slab) {}
  void* descriptor() const { return registration == nullptr ? nullptr : registration->descriptor(); }
  std::span<const std::byte> message() const { return memory.first(bytes); }

  std::span<std::byte, kMessageBytes> memory;
  Registration* registration;  // of the slab it lies in; null where none is needed
  size_t bytes = 0;            // of the message in it
  uint32_t rank = 0;           // whom it is being sent to
};

// Memory for a frame's payload whose receiver has named no place.
struct Staging {
  std::unique_ptr<std::byte[]> memory;
  std::unique_ptr<Registration> registration;  // null where none is needed
};

class Hub final {
 public:
  // The end of a link's.
  class Destination {
   public:
    // Takes a message whose token was the link's; the buffer goes back by give_back().
    virtual void receive(MessageBuffer& message) = 0;
    // One of its messages has left, or could not.
    virtual void note_sent(const std::string& error) = 0;
    virtual void note_closed(const std::string& why) = 0;

   protected:
    ~Destination() = default;
  };

  // `own_tag`, of all that arrives, can only be computed in the communicator.
  Hub(std::unique_ptr<Endpoint> endpoint, uint64_t own_tag, uint32_t rank_count);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  Endpoint& endpoint() { return *endpoint_; }
  Registrations& registrations() { return registrations_; }

  // Messages from `rank` with `token` are for `destination` until detach().
  void attach(uint32_t rank, uint64_t token, Destination& destination);
  void detach(uint32_t rank);

  // Takes a bounded number of completions and hands them out. Returns how many there were.
  size_t progress();
  // The same until nothing more comes, a bounded number of times.
  void drain();
  // The same as progress(), unless somebody else has done so in vain since the same `seen`, the caller's own counter, was last given: one look in vain speaks for
  // the next one of each other caller.
  size_t look(uint64_t& seen);

  // Null when all are in use.
  MessageBuffer* take_send_buffer();
  // A received message's buffer, or one that was not sent after all.
  void give_back(MessageBuffer& buffer);
  // Memory for `bytes`, of one frame at most. Errors: those of registering it.
  Result<Staging> take_staging();
  void give_back(Staging staging);

  // Ends all operations at once, which is the last resort to get caller's memory back: no link works afterwards.
  void close(const std::string& why);
  bool is_closed() const { return closed_; }
  // Messages that were for no link.
  uint64_t stray_count() const { return stray_count_; }

 private:
  struct Attached {
    uint64_t token = 0;
    Destination* destination = nullptr;
  };
  struct Slab {
    std::unique_ptr<std::byte[]> memory;
    std::unique_ptr<Registration> registration;
    std::vector<std::unique_ptr<MessageBuffer>> buffers;
  };
  // Completions of one direction.
  struct Direction final : Operation::Owner {
    explicit Direction(Hub& owner) : hub(owner) {}
    void complete(const Completion& completion) override;

    Hub& hub;
    std::vector<Slab> slabs;
    std::vector<MessageBuffer*> free;
  };

  bool grow(Direction& direction);
  void note_received(MessageBuffer& buffer, const Completion& completion);
  void note_sent(MessageBuffer& buffer, const Completion& completion);
  void post_receives();
  size_t wanted_receives() const;

  std::unique_ptr<Endpoint> endpoint_;
  const uint64_t own_tag_;
  Registrations registrations_;
  std::vector<Attached> attached_;  // by rank
  size_t attached_count_ = 0;
  Direction sends_{*this};
  Direction receives_{*this};
  size_t posted_receives_ = 0;
  std::vector<Staging> free_staging_;
  uint64_t vain_looks_ = 0;
  uint64_t stray_count_ = 0;
  bool closed_ = false;
};

}  // namespace tutti::transports::ofi
