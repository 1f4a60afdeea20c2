// SPDX-License-Identifier: Apache-2.0
// The engine's half of one communicator: takes requests from any thread, runs them over the links, watches the peers. One thread at a time owns
// an executor's progress: the engine's thread, or a caller that waits (docs/decisions/0002-progress-per-communicator.md).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/function_ref.hpp"
#include "base/status.hpp"
#include "base/zeroed_array.hpp"
#include "engine/control.hpp"
#include "engine/idle.hpp"
#include "engine/interpreter.hpp"
#include "engine/link_opener.hpp"
#include "engine/loopback.hpp"
#include "engine/operation.hpp"
#include "engine/queue.hpp"
#include "engine/scratch.hpp"
#include "engine/short_lock.hpp"
#include "transport/transport.hpp"

namespace tutti::engine {

class Engine;

// Requests an executor holds at most; a group larger than this cannot run as one.
inline constexpr uint32_t kQueueCapacity = 4096;

class Executor : public std::enable_shared_from_this<Executor> {
 public:
  struct Options {
    uint32_t rank = 0;
    uint32_t rank_count = 1;
    std::string name;         // of the communicator, in messages
    uint64_t timeout_ms = 0;  // 0: none
    Crowding crowding = Crowding::spacious;
    const Clock* clock = nullptr;  // outlives the executor
    Engine* engine = nullptr;      // outlives the executor; null: nobody but waiters turns it (simulation)
  };
  // `links[r]` leads to rank r and belongs to one of `transports`; the entry of the own rank is ignored. Null, or left away, where there is none yet.
  struct Connections {
    std::shared_ptr<const void> foundation;  // what the transports refer to
    std::vector<std::unique_ptr<transport::Transport>> transports;
    std::vector<transport::Link*> links;
    std::unique_ptr<LinkOpener> opener = nullptr;  // of the links that are missing; each rank has one to the next
  };
  Executor(Options options, Connections connections);
  ~Executor();

  // For simulations of machines that are too large for links between all: before work is submitted that needs it, and while nobody takes turns.
  // `link` outlives the executor.
  void add_link(uint32_t peer, transport::Link& link);
  bool has_link(uint32_t peer) const { return links_.has(peer); }

  // ---- Any thread ----

  // Takes a request, in an order that must be the same on all ranks for collectives. `start` overrides the stream's own ticket for work of a
  // group. Blocks, carrying on work, only while the queue is full. Fails with the communicator's failure once there is one.
  Status submit(Request&& request, const std::shared_ptr<Stream>& stream, const Stream::Ticket* start = nullptr);

  // Orders work for which the caller names no stream.
  const std::shared_ptr<Stream>& own_stream() const { return own_stream_; }

  // Blocks, carrying on work, until `done` holds or the executor has nothing more to do with it.
  void wait_until(FunctionRef<bool()> done);
  // Everything submitted so far has completed, well or not.
  bool has_settled(uint64_t submitted) const { return settled_.load(std::memory_order_acquire) >= submitted; }
  uint64_t submitted() const { return submitted_.load(std::memory_order_acquire); }

  bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }
  Status failure() const;

  // Fails all work, now and later, with `why`, and tells the peers. Returns once no work uses a buffer any more.
  void abort(const Status& why);
  // Tells the peers that this rank leaves; has_parted() once all of them have said so too, or are gone.
  void say_goodbye();
  bool has_parted() const { return has_parted_.load(std::memory_order_acquire); }

  // ---- Ownership of progress ----

  // Acquire; pairs with the release in release_ownership(): the new owner sees all that the old one did.
  bool try_claim() { return !owned_.load(std::memory_order_relaxed) && !owned_.exchange(true, std::memory_order_acquire); }
  void release_ownership() { owned_.store(false, std::memory_order_release); }
  // Whether a waiter would like to own it: the engine's thread then steps back.
  bool is_wanted() const { return wanted_.load(std::memory_order_relaxed) != 0; }
  bool is_owned() const { return owned_.load(std::memory_order_relaxed); }
  // Whether threads wait for it, or have waited since the last call; asked by the engine's thread alone.
  bool is_attended() {
    const uint32_t waits = waits_.load(std::memory_order_relaxed);
    return std::exchange(seen_waits_, waits) != waits || is_wanted();
  }
  bool has_work() const { return !has_settled(submitted()); }

  // ---- The owner ----

  // Starts and advances operations, now and then looks after the transports and peers. Returns how much it did. Neither blocks nor, once plans
  // and scratch memory have grown to their size, allocates.
  size_t turn();
  // The same, looking after transports and peers in any case.
  size_t full_turn();

  const Options& options() const { return options_; }

 private:
  struct Peer {
    bool said_goodbye = false;
    bool said_failure = false;
    uint64_t waits_in = UINT64_MAX;          // the call in which it has said it waits
    std::optional<uint64_t> link_failed_ns;  // when it was seen
    bool is_silent = false;  // its link has failed, and everything it said before has been read
    bool lost = false;       // its link has failed, which has been dealt with
    std::deque<std::vector<std::byte>> outbox;
    bool front_taken = false;  // the link has taken the first message, but may still read it
  };
  // A link on its way, or the reason why it will not come.
  struct Opening {
    uint32_t peer = 0;
    uint64_t since_ns = 0;
    Status failure = {};
  };
  struct HistoryEntry {
    uint64_t number = 0;  // the call's sequence number and one; 0: none
    Signature signature;
    uint32_t chain = 0;

    bool is_of(uint64_t sequence) const { return number != 0 && number - 1 == sequence; }
  };

  // executor.cpp: from submission to completion.
  // owned: enqueued, and the caller has got the executor, to take a turn. Else the request is left as it was: refused, as has_failed() says.
  enum class Enqueued : uint8_t { queued, owned, full, refused };
  Enqueued try_enqueue(Request& request, const std::shared_ptr<Stream>& stream, const Stream::Ticket* start);
  void number(Operation& operation);
  MeetingRecord& meeting_record(const Signature& signature, uint64_t element_bytes);
  bool may_begin_at_once(const Operation& operation) const;
  Operation* take_free_operation();
  void wait_for_room();
  template <typename ShouldTend>
  size_t guarded_turn(ShouldTend should_tend);
  void take_into_window(Operation* operation);
  size_t drain_queue() { return queue_.empty() ? 0 : drain_full_queue(); }
  size_t drain_full_queue();
  size_t run_window();
  bool may_run(const Operation& operation, uint32_t busy_channels) const;
  Status start(Operation& operation);
  Status take_scratch(Operation& operation);
  void finish(size_t index, const Status& outcome);
  void note_settled();

  // linking.cpp: links that operations need and that are not there yet.
  // Whether all are there; opens those that are not.
  bool has_links(const Operation& operation);
  void request_link(uint32_t peer);
  bool begin_opening(uint32_t peer);
  uint32_t next_hop(uint32_t target) const;
  void take_link_request(uint32_t peer, const LinkRequest& request);
  size_t carry_openings(uint64_t now_ns);

  // watch.cpp: peers, control messages, deadlines.
  Peer& peer_state(uint32_t peer) { return *peers_[peer]; }
  void note_link(uint32_t peer);
  size_t tend();
  size_t watch(uint64_t now_ns);
  size_t read_control(uint32_t peer);
  void handle(uint32_t peer, const ControlMessage& message);
  void answer(uint32_t peer, const Inquiry& inquiry);
  HistoryEntry recall(uint64_t sequence);
  size_t flush_outbox(uint32_t peer);
  void post(uint32_t peer, const ControlMessage& message);
  void post_to_all(const ControlMessage& message);
  void look_for_lost_peers(uint64_t now_ns);
  void lose(uint32_t peer, uint64_t now_ns);
  void look_for_stalls(uint64_t now_ns);
  void look_after(Operation& operation, uint64_t now_ns);
  void inquire(Operation& operation, uint64_t now_ns);
  // Whether this rank has made the collective call and is not through with it.
  bool is_pending(uint64_t sequence) const;
  bool waits_for_waiting_ranks(const Operation& operation);
  void part();
  void note_failure(const Status& why);
  Status explain(const Operation& operation, const Trouble& trouble);
  Status explain_timeout(const Operation& operation) const;
  Status explain_frame(const Operation& operation, const Trouble& trouble) const;
  Status explain_deaths();
  std::string name_of(const Operation& operation) const;
  void fail(const Status& why);
  bool has_unsent_words() const;
  bool has_writers() const;
  void let_go_of_memory();
  void complete_all_with_failure();

  const Options options_;
  const std::shared_ptr<Stream> own_stream_ = std::make_shared<Stream>(Stream::Users::one_executor);
  const std::shared_ptr<const void> foundation_;
  std::vector<std::unique_ptr<transport::Transport>> transports_;
  const std::unique_ptr<LinkOpener> opener_;  // null: there are all links that are needed
  LoopbackLink loopback_;
  LinkTable links_;
  const bool traces_;  // whether starts are logged

  // Submission: producers under submit_lock_, the owner consumes.
  ShortLock submit_lock_;
  std::vector<std::unique_ptr<Operation>> operations_;  // all there are
  Queue<Operation*> queue_;  // submitted
  Queue<Operation*> free_;   // the owner gives them back
  uint64_t next_sequence_ = 0;
  uint32_t next_channel_ = 0;
  uint32_t chain_ = 0;  // of all collectives so far
  ZeroedArray<uint64_t> next_send_, next_receive_;  // by peer
  ZeroedArray<HistoryEntry> history_;
  std::vector<MeetingRecord> meeting_records_;  // by kind of call; empty until one may meet
  // Written under submit_lock_; release pairs with the acquire in submitted().
  std::atomic<uint64_t> submitted_{0};
  // Written by the owner; release pairs with has_settled(): work before it has completed.
  std::atomic<uint64_t> settled_{0};

  // The owner's.
  std::vector<Operation*> window_;  // taken from the queue, in order of submission
  size_t window_begin_ = 0;
  uint64_t finished_ = 0;
  uint32_t point_to_point_in_window_ = 0;
  ZeroedArray<uint8_t> peer_busy_;  // scratch of run_window: bit 0 sending, bit 1 receiving
  ScratchPool<transport::kCollectiveChannelCount> scratches_;
  std::vector<uint32_t> linked_;  // peers that have a link, ascending
  ZeroedArray<Peer*> peers_;      // by rank; null without a link
  std::vector<std::unique_ptr<Peer>> peers_owned_;
  std::vector<Opening> openings_;
  std::vector<uint32_t> awaited_;
  uint32_t turns_since_tending_ = 0;
  uint64_t last_watch_ns_ = 0;
  bool leaving_ = false;
  bool has_shared_memory_ = false;  // an operation has told peers where its buffers lie
  std::vector<uint32_t> deaths_;  // peers lost without a goodbye, in the order noticed, until the verdict
  uint64_t verdict_due_ns_ = 0;
  Status noted_failure_;  // found while looking after the peers, acted on at the end of the turn

  std::atomic<bool> owned_{false};      // see try_claim
  std::atomic<uint32_t> wanted_{0};     // waiters; relaxed, a hint
  std::atomic<uint32_t> waits_{0};      // begun; a hint: concurrent ones may count as one
  uint32_t seen_waits_ = 0;             // by the engine's thread
  std::atomic<bool> leave_requested_{false};  // set by say_goodbye, read by the owner
  std::atomic<bool> has_parted_{false};       // written by the owner

  mutable std::mutex failure_mutex_;
  Status failure_;
  std::atomic<bool> has_failed_{false};  // release after failure_ is written; pairs with the acquire in has_failed()
  std::atomic<uint32_t> aborts_{0};  // threads in abort(); relaxed: waiters only step aside while there are any
};

}  // namespace tutti::engine
