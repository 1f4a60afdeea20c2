// SPDX-License-Identifier: Apache-2.0
// The part of libfabric that the transport uses: one reliable datagram endpoint with its address vector, completion queue and registered memory. The
// real one is in libfabric_endpoint.hpp; tests have one that reorders, refuses and fails.
//
// No order is promised: messages, reads and their completions may overtake each other, as they do on EFA. All calls return at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"

namespace tutti::transports::ofi {

struct Completion;

// Something that has been posted. Stays where it is until its completion has been taken or the endpoint is closed.
struct Operation {
  class Owner {
   public:
    virtual void complete(const Completion& completion) = 0;

   protected:
    ~Owner() = default;
  };
  explicit Operation(Owner& operation_owner) : owner(&operation_owner) {}

  std::array<void*, 8> provider_words{};  // the provider's, while it is posted (FI_CONTEXT2)
  Owner* owner;
};

struct Completion {
  Operation* operation = nullptr;
  size_t bytes = 0;   // of a received message
  std::string error;  // empty: it succeeded
};

struct RemoteMemory {
  uint64_t address = 0;
  uint64_t key = 0;
};

// Memory that the endpoint knows. Gone with the object: from then on no peer reads it.
class Registration {
 public:
  virtual ~Registration() = default;
  // For the endpoint's own operations on it.
  virtual void* descriptor() const = 0;
  // How a peer reads the memory at `byte`, which lies in it.
  virtual RemoteMemory remote(const std::byte* byte) const = 0;
};

// What memory is registered for: messages of this rank and to it, for peers to read from, or to be read into.
enum class Access : uint8_t { messages, offered, landing };

enum class Posted : uint8_t { done, try_again, failed };

class Endpoint {
 public:
  struct Traits {
    std::string provider;            // "tcp;ofi_rxm"
    size_t inject_bytes = 0;         // largest message that needs no completion
    size_t receive_depth = 0;        // buffers that may be posted at a time
    uint64_t usable_tag_bits = ~0ULL;
    bool registers_local_memory = false;  // whether its own operations need descriptors
  };
  virtual ~Endpoint() = default;

  virtual const Traits& traits() const = 0;
  // What peers give to add_peer().
  virtual std::vector<std::byte> name() const = 0;
  virtual std::string describe(std::span<const std::byte> name) const = 0;
  virtual Result<uint64_t> add_peer(std::span<const std::byte> name) = 0;
  virtual void remove_peer(uint64_t peer) = 0;
  // Must be gone before the endpoint is.
  virtual Result<std::unique_ptr<Registration>> register_memory(std::span<const std::byte> memory, Access access) = 0;

  // What is given to these stays as it is until the operation's completion, except to inject(), which has copied it.
  virtual Posted inject(uint64_t peer, uint64_t tag, std::span<const std::byte> message) = 0;
  virtual Posted send(uint64_t peer, uint64_t tag, std::span<const std::byte> message, void* descriptor, Operation& operation) = 0;
  virtual Posted receive(uint64_t tag, std::span<std::byte> buffer, void* descriptor, Operation& operation) = 0;
  // Its completion says that the bytes are in `target`.
  virtual Posted read(uint64_t peer, RemoteMemory source, std::span<std::byte> target, void* descriptor, Operation& operation) = 0;
  // Why the latest call said `failed`.
  virtual const std::string& error() const = 0;

  // Makes progress and takes completions that are there. Returns how many.
  virtual size_t take(std::span<Completion> completions) = 0;
  // Ends all that is posted, without completions: afterwards nothing touches the memory that was given to it.
  virtual void close() = 0;
};

}  // namespace tutti::transports::ofi
