// SPDX-License-Identifier: Apache-2.0
// One UCP context and worker, and what is under way on it. What belongs to a link may end before UCX is done with its operations: an operation then has
// no owner any more and ends by itself.
#pragma once

#include <ucp/api/ucp.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/status.hpp"
#include "transports/ucx/wire.hpp"

namespace tutti::transports::ucx {

// "Connection reset by remote peer"
std::string words_of(ucs_status_t status);

class Worker;
struct Operation;

// Who waits for operations. Called from within Worker::progress().
class Owner {
 public:
  // `received_bytes` is of operations that receive.
  virtual void completed(Operation& operation, ucs_status_t status, size_t received_bytes) = 0;

 protected:
  ~Owner() = default;
};

// One send or receive; made and taken back by the worker.
struct Operation {
  Owner* owner = nullptr;  // null: nobody waits, and the worker takes it back when it ends
  std::byte* slot = nullptr;  // that goes back with the operation, or null
  std::unique_ptr<std::byte[]> kept;  // memory that goes with the operation, when nobody waits for it
  uint64_t index = 0;      // the owner's
  uint32_t channel = 0;    // the owner's
  bool receives = false;
  void* request = nullptr;  // UCX's, while it is under way
  Worker* worker = nullptr;
};

// How UCX treats errors of an endpoint: `reported` when it notices them, which rules out transports that never do; `watched`: by us, of a peer on this
// host, so that the peer's memory can be read (cma).
enum class Errors : uint8_t { reported, watched };

// One end of a pair. UCX holds its address.
class Endpoint {
 public:
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Null once UCX has been told to give it up.
  ucp_ep_h handle() const { return handle_; }
  Errors errors() const { return errors_; }
  const Status& failure() const { return failure_; }
  // The transports of UCX that it uses, "posix/memory, cma/memory".
  std::string lanes() const;

 private:
  friend class Worker;
  explicit Endpoint(Errors errors) : errors_(errors) {}
  static void on_error(void* endpoint, ucp_ep_h handle, ucs_status_t status);

  const Errors errors_;
  ucp_ep_h handle_ = nullptr;
  Status failure_;
};

class Worker {
 public:
  // Errors: tuttiSystemError with UCX's words.
  static Result<std::unique_ptr<Worker>> create(uint32_t peer_count);
  // Ends what has not ended. UCX touches no memory of callers any more.
  ~Worker();

  // At most kMaxWorkerAddressBytes. Errors: tuttiSystemError if it is longer.
  Result<std::vector<std::byte>> address() const;
  // The transports and devices that there are, "self/memory0, tcp/eth0".
  const std::string& resources() const { return resources_; }

  Result<std::unique_ptr<Endpoint>> connect(std::span<const std::byte> address, Errors errors);
  // Lets what has been sent go out, for a while, and closes it. Returns at once; progress carries it on.
  void close(std::unique_ptr<Endpoint> endpoint);
  // Gives it up at once: what is under way on it ends soon, with an error.
  void give_up(Endpoint& endpoint);
  // Until all that is closing has closed, but not for long.
  void wait_for_closing();

  Operation* begin(Owner* owner);
  // The operation has ended; it must not be used again.
  void end(Operation* operation);
  // UCS_OK: done, and nobody will be told. UCS_INPROGRESS: the owner will be. Otherwise an error, and nobody will be told.
  ucs_status_t send(const Endpoint& endpoint, Tag tag, std::span<const std::byte> bytes, Operation& operation);
  ucs_status_t receive(Tag tag, std::span<std::byte> memory, Operation& operation, size_t* received_bytes);
  // Nobody waits for it any more. A receive that has met no message ends.
  void abandon(Operation& operation);

  // A piece of memory for one message.
  std::byte* take_slot();
  void put_slot(std::byte* slot) { free_slots_.push_back(slot); }

  // Lets UCX work: everything, whoever asks. Returns how much it did.
  size_t progress();
  // The same, but only if nobody has done so since the last call with this `seen`: what came then is known already.
  size_t progress_once(uint64_t& seen);

  // Several links let go one after the other: time that one of them has waited in vain, the next ones need not wait again.
  Deadline patience();
  void lost_patience();

 private:
  struct Closing {
    std::unique_ptr<Endpoint> endpoint;
    void* flush = nullptr;
    Deadline deadline = Deadline::none();
  };

  Worker() = default;
  Status open(uint32_t peer_count);
  size_t advance_closing();
  bool has_ended(Closing& closing);
  void drop_unexpected();
  static void on_sent(void* request, ucs_status_t status, void* operation);
  static void on_received(void* request, ucs_status_t status, const ucp_tag_recv_info_t* info, void* operation);
  static void finish(Operation& operation, ucs_status_t status, size_t received_bytes);

  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  std::string resources_;
  std::deque<Operation> operations_;
  std::vector<Operation*> free_operations_;
  std::vector<std::unique_ptr<std::byte[]>> slots_;
  std::vector<std::byte*> free_slots_;
  std::vector<Closing> closing_;
  std::vector<void*> ending_;  // requests of endpoints that have been given up
  uint64_t progress_count_ = 0;
  uint64_t impatient_until_ns_ = 0;
};

}  // namespace tutti::transports::ucx
